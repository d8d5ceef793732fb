//! Code that runs away is stopped, whatever it does; the other files still count.

use model::Code;

use crate::render;
use crate::workspace::Sample;

fn check(code: &str) {
    let good = b"client('good')";
    let sample = Sample::new(&[("inventory/a.star", code.as_bytes()), ("inventory/b.star", good)]);
    let (workspace, problems) = sample.load();
    let text = render(&problems);
    assert!(problems.iter().any(|problem| problem.code == Code::StarlarkLimit), "{code}\n{text}");
    assert!(
        workspace.inventory.clients.iter().any(|client| client.name.as_str() == "good"),
        "{code}\n{text}"
    );
}

#[test]
fn endless_recursion() {
    check("def f(x):\n    return f(x + 1)\nf(0)");
    check("def f(x):\n    return g(x)\ndef g(x):\n    return [f(y) for y in [x]]\nf(0)");
    check("f = lambda x, f: f(x, f)\nf(1, f)");
}

#[test]
fn endless_loops() {
    check("for i in range(1000000000):\n    pass");
    check("def f():\n    for i in range(900000):\n        for j in range(900000):\n            pass\nf()");
    check("x = [0 for i in range(900000) for j in range(900000)]");
    check("x = [1]\ndef f():\n    [len(x) for i in range(900000) if [0 for j in range(900000)]]\nf()");
}

#[test]
fn giant_values() {
    check("x = list(range(1000000000))");
    check("x = [0] * 1000000000");
    check("x = 1000000000 * 'a'");
    check("x = 'a' * 2000000000");
    check("x = (1, 2) * 2000000000");
    check("x = [0]\nfor i in range(60):\n    x = x + x");
    check("x = 'ab'\nfor i in range(60):\n    x += x");
    check("x = 'ab'\ndef f(x):\n    for i in range(60):\n        x = '%s%s' % (x, x)\n    return x\nf(x)");
    check("x = 10\nfor i in range(60):\n    x = x * x");
    check("x = {}\nfor i in range(900000):\n    x[str(i)] = [str(i) for _ in range(100)]");
}

#[test]
fn deep_code() {
    check(&format!("x = {}1{}", "(".repeat(50_000), ")".repeat(50_000)));
    check(&format!("x = {}1", "-".repeat(200_000)));
    check(&format!("x = 1{}", "+1".repeat(200_000)));
    check(&format!("x = f{}", "()".repeat(200_000)));
    let blocks: String = (0..900).map(|depth| format!("{}if True:\n", " ".repeat(depth))).collect();
    check(&format!("{blocks}{}pass", " ".repeat(900)));
}

#[test]
fn deep_values_are_kept_without_harm() {
    let lists = "x = []\ny = []\nfor i in range(290000):\n    x = [x]\n    y = [y]\n";
    let tuples = "x = ()\ny = ()\nfor i in range(290000):\n    x = (x,)\n    y = (y,)\n";
    for (nest, end) in [
        (lists, ""),
        (lists, "x == y"),
        (lists, "x < y"),
        (lists, "str(x)"),
        (lists, "host(x, client = x)"),
        (tuples, "repr(x)"),
        (tuples, "d = {x: 1}"),
    ] {
        let (_, problems) = Sample::new(&[("inventory/a.star", format!("{nest}{end}").as_bytes())]).load();
        assert!(problems.iter().all(|it| !it.message.contains("a bug in ifrit")), "{}", render(&problems));
    }
}

#[test]
fn too_many_declarations_and_problems() {
    check("for i in range(200000):\n    client('c%d' % i)");
    check("for i in range(200000):\n    client('c %d' % i)");
}

#[test]
fn large_and_long_files() {
    let large = "# comment\n".repeat(200_000);
    let sample =
        Sample::new(&[("inventory/a.star", large.as_bytes()), ("inventory/b.star", b"client('good')")]);
    let (workspace, problems) = sample.load();
    assert_eq!(problems.iter().map(|it| it.code).collect::<Vec<_>>(), [Code::WorkspaceLimit]);
    assert_eq!(workspace.inventory.clients.len(), 1);
}

#[test]
fn a_long_chain_of_loads() {
    let mut files: Vec<(String, String)> = (0..200)
        .map(|i| (format!("inventory/_{i}.star"), format!("load('_{}.star', _y = 'x')\nx = 1", i + 1)))
        .collect();
    files.push(("inventory/_200.star".to_owned(), "x = 1".to_owned()));
    files.push(("inventory/a.star".to_owned(), "load('_0.star', 'x')".to_owned()));
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, code)| (path.as_str(), code.as_bytes())).collect();
    let (_, problems) = Sample::new(&files).load();
    assert!(render(&problems).contains("load one another in a row"), "{}", render(&problems));
}
