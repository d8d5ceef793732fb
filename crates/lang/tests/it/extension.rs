//! Functions that another room registers.

use lang::{Extension, Scope, functions, load};
use starlark::environment::GlobalsBuilder;
use starlark::starlark_module;

use crate::render;
use crate::workspace::Sample;

#[starlark_module]
fn shapes(builder: &mut GlobalsBuilder) {
    /// Returns the area of a square.
    ///
    /// # Arguments
    /// * `side`: its side
    fn area(side: i32) -> starlark::Result<i32> {
        Ok(side.saturating_mul(side))
    }
}

fn register(builder: &mut GlobalsBuilder) {
    builder.namespace("shapes", shapes);
}

fn check(scope: Scope, in_inventory: &str, in_deploys: &str) {
    let sample = Sample::new(&[
        ("inventory/a.star", b"x = shapes.area(3)"),
        ("deploys/b.star", b"def deploy(host):\n    return shapes.area(side = 3)"),
    ]);
    let (_, problems) = load(sample.root(), &[Extension { name: "shapes", scope, register }]);
    assert_eq!(render(&problems), format!("{in_deploys}{in_inventory}"), "{scope:?}");
}

#[test]
fn a_function_is_known_where_it_is_meant_to_be() {
    let unknown = "error[starlark.unknown-name]: variable `shapes` not found\n";
    let inventory = format!("inventory/a.star:1:5: {unknown}");
    let deploys = format!("deploys/b.star:2:12: {unknown}");
    check(Scope::Everywhere, "", "");
    check(Scope::Inventory, "", &deploys);
    check(Scope::Deploys, &inventory, "");
}

#[test]
fn a_misspelt_function_of_an_extension_is_found_without_running_it() {
    let sample = Sample::new(&[(
        "deploys/b.star",
        b"def deploy(host):\n    if host:\n        shapes.area(\"3\")\n    shapes.aera(3)",
    )]);
    let (workspace, problems) =
        load(sample.root(), &[Extension { name: "shapes", scope: Scope::Deploys, register }]);
    let text = render(&problems);
    assert!(text.contains("deploys/b.star:3:21: error[starlark.type]"), "{text}");
    assert!(text.contains("deploys/b.star:4:"), "{text}");
    assert!(workspace.deploys.is_empty());
}

#[test]
fn an_extension_brings_its_documentation() {
    let functions = functions(&[Extension { name: "shapes", scope: Scope::Deploys, register }]);
    let area = functions.iter().find(|it| it.name == "shapes.area").expect("it is listed");
    assert_eq!((area.scope, area.signature.as_str()), (Scope::Deploys, "shapes.area(side: int) -> int"));
    assert_eq!(area.summary, "Returns the area of a square.");
    assert_eq!(area.parameters, [("side".to_owned(), "its side".to_owned())]);
}
