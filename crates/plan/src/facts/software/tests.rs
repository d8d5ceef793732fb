use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use model::{Code, Collection, HostName, PackageVersion, ServiceName, Software, SoftwareKind};
use proptest::prelude::*;

use super::frames::FoundFile;
use super::purl::{is_purl, purl};
use super::*;
use crate::facts::script::tests::{run, shells};
use crate::facts::{FactRequests, Nonce, StreamEnd, collect_facts, read_answer, script};

fn file(part: u8, path: &str, text: &[u8]) -> FoundFile {
    FoundFile { part, path: path.to_owned(), text: text.to_vec() }
}

/// `kind name version purl` of what one file says.
fn check(part: u8, path: &str, text: &str, expected: &[&str]) {
    let (mut found, mut faults) = (Vec::new(), Faults::default());
    read_file(&file(part, path, text.as_bytes()), &mut found, &mut faults);
    let shown = |it: &Software| format!("{} {} {} {}", it.kind.as_str(), it.name, it.version, it.purl);
    let shown: Vec<_> = found.iter().map(shown).collect();
    let shown: Vec<_> = shown.iter().map(|it| it.trim_end()).collect();
    assert_eq!(shown, expected, "{path}: {text:?}, {:?}", faults.messages());
}

#[test]
fn package_urls_are_the_specs() {
    let check = |kind, name, version, expected| {
        assert_eq!(purl(kind, name, version), expected);
        assert!(is_purl(expected));
    };
    check("golang", "github.com/BurntSushi/toml", "v1.4.0", "pkg:golang/github.com/burntsushi/toml@v1.4.0");
    check("golang", "a/b", "v2.0.0+incompatible", "pkg:golang/a/b@v2.0.0%2Bincompatible");
    check("npm", "@angular/core", "17.0.1", "pkg:npm/%40angular/core@17.0.1");
    check("pypi", "Typing_Extensions", "4.9.0", "pkg:pypi/typing-extensions@4.9.0");
    check("maven", "org.slf4j/slf4j-api", "2.0", "pkg:maven/org.slf4j/slf4j-api@2.0");
    check("cargo", "serde", "", "pkg:cargo/serde");
    check("npm", "a b?#\u{fc}", "1", "pkg:npm/a%20b%3F%23%C3%BC@1");
    for bad in ["", "pkg:", "pkg:npm", "pkg:npm/", "pkg:/x", "npm/x", "pkg:npm/a b", "pkg:npm/\u{1b}x"] {
        assert!(!is_purl(bad), "{bad}");
    }
}

#[test]
fn programs_name_their_modules() {
    let go = "go1.22.1\npath\tacme.org/shop/cmd\nmod\tacme.org/shop\t(devel)\t\ndep\tgithub.com/A/b\tv1.2.3\th1:x=\ndep\tgithub.com/c/d\tv1.0.0\n=>\tgithub.com/e/d\tv1.0.1\th1:y=";
    check(
        b'X',
        "/opt/shop/bin/shop",
        go,
        &[
            "go acme.org/shop  pkg:golang/acme.org/shop",
            "go github.com/A/b v1.2.3 pkg:golang/github.com/a/b@v1.2.3",
            "go github.com/e/d v1.0.1 pkg:golang/github.com/e/d@v1.0.1",
            "go stdlib 1.22.1 pkg:golang/stdlib@1.22.1",
        ],
    );
    check(
        b'X',
        "/opt/x",
        "crate\tserde_json-1.0.117\ncrate\tsha-1-0.10.1\ncrate\tnothing",
        &["rust serde_json 1.0.117 pkg:cargo/serde_json@1.0.117", "rust sha-1 0.10.1 pkg:cargo/sha-1@0.10.1"],
    );
    check(b'X', "/opt/x", "go1.22.1\ndep\t$(id)\tv1\nmod\n=>", &[]);
}

#[test]
fn metadata_names_a_package() {
    let head = "Name: Flask_Cors\nVersion: 4.0.0";
    check(b'P', "/a.dist-info/METADATA", head, &["python Flask_Cors 4.0.0 pkg:pypi/flask-cors@4.0.0"]);
    check(b'P', "/a.dist-info/METADATA", "Name: x\r\nVersion:  1\r", &["python x 1 pkg:pypi/x@1"]);
    check(b'P', "/a.dist-info/METADATA", "Name: x", &[]);
    check(b'P', "/a.dist-info/METADATA", "Name: \u{1b}[2J\nVersion: 1", &[]);
    let package = r#"{"name": "@acme/shop", "version": "1.0.0", "scripts": {"x": 1}}"#;
    check(
        b'N',
        "/node_modules/@acme/shop/package.json",
        package,
        &["npm @acme/shop 1.0.0 pkg:npm/%40acme/shop@1.0.0"],
    );
    check(
        b'N',
        "/node_modules/x/package.json",
        "\u{feff}{\"name\":\"x\",\"version\":\"1\"}",
        &["npm x 1 pkg:npm/x@1"],
    );
    check(b'N', "/node_modules/x/package.json", r#"{"type": "module"}"#, &[]);
    for bad in ["", "[]x", "{", r#"{"name": 1}"#, r#"{"name": "x", "version": "1"} {"#] {
        check(b'N', "/node_modules/x/package.json", bad, &[]);
    }
}

#[test]
fn what_is_found_can_be_matched() {
    let check = |part: u8, path: &str, text: &str, expected: &[&str]| {
        let (mut found, mut faults) = (Vec::new(), Faults::default());
        read_file(&file(part, path, text.as_bytes()), &mut found, &mut faults);
        let shown: Vec<_> = found
            .iter()
            .filter_map(PackageVersion::from_software)
            .map(|it| format!("{} {} {}", it.platform, it.package.name, it.package.version))
            .collect();
        assert_eq!(shown, expected, "{path}");
    };
    let go = "go1.22\nmod\tacme.org/shop\t(devel)\t\ndep\tgithub.com/A/b\tv1.2.3+incompatible\th1:x=";
    let expected = ["go acme.org/shop ", "go github.com/A/b 1.2.3+incompatible", "go stdlib 1.22.0"];
    check(b'X', "/opt/shop", go, &expected);
    check(b'X', "/opt/x", "crate\tserde_json-1.0.117", &["crates.io serde_json 1.0.117"]);
    check(
        b'P',
        "/a.dist-info/METADATA",
        "Name: Zope.Interface_x\nVersion: 4.0",
        &["pypi zope-interface-x 4.0"],
    );
    check(
        b'N',
        "/node_modules/@acme/shop/package.json",
        r#"{"name": "@acme/shop", "version": "1.0.0"}"#,
        &["npm @acme/shop 1.0.0"],
    );
    check(b'J', "/opt/x.jar", "version=1.0\ngroupId=org.a\nartifactId=b", &["maven org.a:b 1.0"]);
    check(b'J', "/opt/commons-io-2.11.0.jar", "", &[]);
    let cyclone = r#"{"components": [
        {"name": "b", "version": "1.0", "purl": "pkg:maven/org.a/b?type=jar"},
        {"name": "std", "purl": "pkg:golang/std@go1.22.1"},
        {"name": "github.com/A/b", "purl": "pkg:golang/github.com/a/b@v1.0.0#sub/path"},
        {"name": "curl", "purl": "pkg:deb/debian/curl@7"}]}"#;
    let expected = ["maven org.a:b 1.0", "go stdlib 1.22.1", "go github.com/A/b 1.0.0"];
    check(b'S', "/opt/bom.json", cyclone, &expected);
}

#[test]
fn archives_have_coordinates_or_a_name() {
    let two = "version=1.0\ngroupId=org.a\nartifactId=b\nversion=2.0\ngroupId=org.c\nartifactId=d";
    check(
        b'J',
        "/opt/x.jar",
        two,
        &["jar org.a:b 1.0 pkg:maven/org.a/b@1.0", "jar org.c:d 2.0 pkg:maven/org.c/d@2.0"],
    );
    check(b'J', "/opt/commons-io-2.11.0.jar", "", &["jar commons-io 2.11.0"]);
    check(b'J', "/opt/app.war", "groupId=x\nversion=1", &["jar app"]);
    check(b'J', "/opt/-1.jar", "", &["jar -1"]);
}

#[test]
fn bills_of_materials_have_package_urls() {
    let cyclone = r#"{"bomFormat": "CycloneDX", "components": [
        {"name": "serde", "version": "1.0.1", "purl": "pkg:cargo/serde@1.0.1",
         "components": [{"name": "derive", "purl": "pkg:cargo/serde_derive@1.0.1"}]},
        {"name": "file"}, {"name": "bad", "version": "1", "purl": "http://x"}]}"#;
    let expected = ["sbom serde 1.0.1 pkg:cargo/serde@1.0.1", "sbom derive  pkg:cargo/serde_derive@1.0.1"];
    check(b'S', "/opt/bom.json", cyclone, &expected);
    let spdx = r#"{"spdxVersion": "SPDX-2.3", "packages": [{"name": "left-pad", "versionInfo": "1.3.0",
        "externalRefs": [{"referenceType": "cpe23Type", "referenceLocator": "cpe:x"},
                         {"referenceType": "purl", "referenceLocator": "pkg:npm/left-pad@1.3.0"}]}, {}]}"#;
    check(b'S', "/opt/x.spdx.json", spdx, &["sbom left-pad 1.3.0 pkg:npm/left-pad@1.3.0"]);
    let deep = format!("{}{}", r#"{"components":["#.repeat(5000), "]}".repeat(5000));
    check(b'S', "/opt/bom.json", &deep, &[]);
}

#[test]
fn versions_are_found_in_what_commands_print() {
    let check = |said: &str, expected: Result<&str, &str>| {
        let lines: Vec<_> = said.lines().map(str::to_owned).collect();
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(version(&lines), expected, "{said:?}");
    };
    check("wiki 2.4.1 (built 2024)\n\nstatus 0", Ok("2.4.1"));
    check("v22.1.0\nstatus 0", Ok("22.1.0"));
    check("nginx version: nginx/1.24.0\nstatus 0", Ok("1.24.0"));
    check("openjdk version \"17.0.9\" 2023-10-17\nstatus 0", Ok("17.0.9"));
    check("OpenSSH_9.6p1, OpenSSL 3.0.13 30 Jan 2024\nstatus 0", Ok("9.6p1"));
    check("less 590 (GNU)\nstatus 0", Ok("590"));
    check("version:1.2.\nstatus 0", Ok("1.2"));
    check("hello\nstatus 0", Err("it printed no version"));
    check(
        "sh: wiki-1.2: not found\nstatus 127",
        Err("it ended with status 127, expected 0: `sh: wiki-1.2: not found`"),
    );
    check("\nstatus 124", Err("it took longer than 10 s"));
    check("1.2", Err("it printed more than 4096 bytes, or its end is missing"));
    check("", Err("it printed more than 4096 bytes, or its end is missing"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for part in *b"PNSJX?" {
            read_file(&file(part, "/opt/x-1.jar", &bytes), &mut Vec::new(), &mut Faults::default());
        }
        read_software(&mut Seen::default(), &bytes, &mut Faults::default());
        let lines: Vec<_> = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        _ = version(&lines);
    }

    #[test]
    fn no_frames_panic(lines in proptest::collection::vec("[FLCETNUS][PNSJX]?(/a-1[.]jar|dep\tx\tv1|[{]\"name\":\"\u{fc}\"|.{0,8})", 0..30)) {
        let mut seen = Seen::default();
        read_software(&mut seen, lines.join("\n").as_bytes(), &mut Faults::default());
        (VERSION_COMMAND.read)(&mut seen, lines.join("\n").as_bytes(), &mut Faults::default());
    }
}

fn write(root: &Path, path: &str, content: &[u8]) -> String {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("made");
    std::fs::write(&path, content).expect("written");
    path.to_str().expect("text").to_owned()
}

fn make_program(root: &Path, path: &str, lines: &str) {
    let mut content = vec![0_u8, 0xff, b'\n', 7, 0x80];
    content.extend((0..150_000_u32).map(|number| (number % 251) as u8));
    content.extend(b"\xff Go buildinf:\x08\x02\0\0\x09go1.22.10\xb4\x03\x30\x77\xaf\x0c");
    content.extend(lines.as_bytes());
    content.extend(b"\xf9\x32\x43\x31/root/.cargo/registry/src/index-1949cf/serde-1.0.197/src/de.rs/root/.cargo/registry/src/index-1949cf/sha-1-0.10.1/src/x\0");
    let path = write(root, path, &content);
    assert!(Command::new("chmod").args(["755", &path]).status().expect("chmod is there").success());
}

fn collect(shell: &[&str], requests: &FactRequests) -> Collection {
    collect_with(shell, requests, None)
}

/// With another folder of programs where one is given.
fn collect_with(shell: &[&str], requests: &FactRequests, tools: Option<&Path>) -> Collection {
    let nonce = Nonce::from_bytes([8; 16]);
    let mut script = script(requests, &nonce);
    if let Some(tools) = tools {
        let text = String::from_utf8(script).expect("text");
        let path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";
        assert!(text.contains(path));
        script = text.replace(path, &format!("PATH={}", tools.display())).into_bytes();
    }
    let stdout = run(shell, &script).expect("the shell was there");
    let answers = read_answer(requests, &nonce, &stdout, StreamEnd::Complete);
    let host = HostName::new("here").expect("a good name");
    collect_facts(&host, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, &answers)
}

fn service(name: &str) -> ServiceName {
    ServiceName::new(name).expect("a good name")
}

/// A tree with all there is, in a folder whose name a shell would trip over.
fn make_tree(root: &Path) {
    make_program(
        root,
        "bin/shop",
        "path\tacme.org/shop\nmod\tacme.org/shop\tv1.0.0\th1:x=\ndep\tgolang.org/x/net\tv0.17.0\th1:y=\nbuild\t-compiler=gc\n",
    );
    make_program(root, "bin/other", "nothing\n");
    let metadata = b"Metadata-Version: 2.1\nName: flask\nVersion: 3.0.0\n\nName: evil\n\xff\0";
    write(root, "venv/lib/flask-3.0.0.dist-info/METADATA", metadata);
    write(root, "venv/lib/old.egg-info/PKG-INFO", b"Name: old\nVersion: 0.1\n");
    write(
        root,
        "node_modules/left-pad/package.json",
        b"{\n \"name\": \"left-pad\",\n \"version\": \"1.3.0\"\n}",
    );
    write(root, "node_modules/left-pad/test/package.json", br#"{"name": "no", "version": "0"}"#);
    write(root, "node_modules/@acme/x/package.json", br#"{"name": "@acme/x", "version": "2"}"#);
    write(root, "node_modules/broken/package.json", b"{");
    let long = format!(
        r#"{{"x": "{}", "components": [{{"name": "a", "version": "1", "purl": "pkg:npm/a@1"}}]}}"#,
        "y".repeat(40_000)
    );
    write(root, "bom.json", long.as_bytes());
    write(root, "lib/commons-io-2.11.0.jar", b"no archive");
    write(root, "a\n/etc/x.jar", b"");
}

#[test]
fn a_tree_is_read_in_every_shell() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let root = folder.path().join("it's $(a) tree");
    make_tree(&root);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&root, &link).expect("linked");
    let paths = [link, folder.path().join("not there")].map(|it| it.to_str().expect("text").to_owned());
    let command = |text: &str| ["sh", "-c", text].map(str::to_owned).to_vec();
    let requests = FactRequests::scan()
        .with_software(&paths)
        .with_version_command(&service("wiki"), &command("echo \"wiki 2.4.1 it's\" >&2"))
        .with_version_command(&service("cat"), &["cat".to_owned()])
        .with_version_command(&service("bad"), &["/not/there-1.2".to_owned()]);
    // Busybox's own tools are those of Alpine.
    let tools = folder.path().join("tools");
    std::fs::create_dir(&tools).expect("made");
    let install = Command::new("busybox").args(["--install", "-s"]).arg(&tools).status();
    let has_busybox = install.is_ok_and(|status| status.success());
    let busybox = (["busybox", "ash"].as_slice(), Some(tools.as_path()));
    let ways = shells().map(|shell| (shell, None)).chain(has_busybox.then_some(busybox));
    for (shell, tools) in ways {
        let collection = collect_with(shell, &requests, tools);
        let found = collection.observed.software.expect("software");
        let shown: BTreeSet<_> =
            found.iter().map(|it| format!("{} {} {}", it.kind.as_str(), it.name, it.version)).collect();
        let expected = [
            "go acme.org/shop v1.0.0",
            "go golang.org/x/net v0.17.0",
            "go stdlib 1.22.10",
            "rust serde 1.0.197",
            "rust sha-1 0.10.1",
            "jar commons-io 2.11.0",
            "python flask 3.0.0",
            "python old 0.1",
            "npm left-pad 1.3.0",
            "npm @acme/x 2",
            "sbom a 1",
            "command wiki 2.4.1",
            "command cat ",
            "command bad ",
        ];
        assert_eq!(shown, expected.map(str::to_owned).into(), "{shell:?}: {:?}", collection.problems);
        assert!(
            found
                .iter()
                .filter(|it| it.kind != SoftwareKind::Command)
                .all(|it| it.path.starts_with(&paths[0]))
        );
        let said: Vec<_> =
            collection.problems.iter().filter(|it| it.code == Code::CollectLineIgnored).collect();
        let has = |text: &str| said.iter().any(|it| it.message.contains(text));
        assert!(has("broken/package.json") && has("not there") && has("`cat`") && has("`bad`"), "{said:?}");
        assert_eq!(said.len(), 4, "{shell:?}: {said:?}");
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn this_machine_s_npm_is_found() {
    let Ok(text) = std::fs::read("/usr/lib/node_modules/npm/package.json") else {
        return eprintln!("SKIPPED: this machine has no npm in /usr/lib");
    };
    let npm = manifest::npm(&file(b'N', "/usr/lib/node_modules/npm/package.json", &text)).expect("read");
    let requests = FactRequests::scan().with_software(&["/usr/lib/node_modules".to_owned()]);
    for shell in shells() {
        let collection = collect(shell, &requests);
        let found = collection.observed.software.expect("software");
        assert!(found.contains(&npm[0]) && found.len() > 100, "{shell:?}: {} found", found.len());
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn an_archive_is_opened_where_unzip_is() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let properties = b"#Generated\nversion=2.0.9\ngroupId=org.slf4j\nartifactId=slf4j-api\n";
    write(folder.path(), "META-INF/maven/org.slf4j/slf4j-api/pom.properties", properties);
    let mut zip = Command::new("zip");
    zip.args(["-q", "-r", "it's 1-2.jar", "META-INF"]).current_dir(folder.path());
    if !zip.status().is_ok_and(|status| status.success()) || !Path::new("/usr/bin/unzip").exists() {
        return eprintln!("SKIPPED: this machine has no zip or no unzip");
    }
    let path = folder.path().to_str().expect("text").to_owned();
    for shell in shells() {
        let found = collect(shell, &FactRequests::scan().with_software(std::slice::from_ref(&path)));
        let found = found.observed.software.expect("software");
        let purls: Vec<_> = found.iter().map(|it| it.purl.as_str()).collect();
        assert_eq!(purls, ["pkg:maven/org.slf4j/slf4j-api@2.0.9"], "{shell:?}");
    }
}

#[test]
fn what_is_not_asked_or_not_whole_is_not_known() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().to_str().expect("text").to_owned();
    let requests = FactRequests::scan().with_software(&[path]);
    for shell in shells() {
        assert_eq!(collect(shell, &FactRequests::scan()).observed.software, None);
        assert_eq!(
            collect(shell, &requests).observed.software,
            Some(vec![]),
            "an empty directory is an answer"
        );
    }
    let answer = "FP/a.dist-info/METADATA\nLName: a\nLVersion: 1\nEP\nEN\nES\nEJ\nEX\n";
    let read = |text: &str| {
        let mut seen = Seen::default();
        read_software(&mut seen, text.as_bytes(), &mut Faults::default());
        (seen.software_answers, seen.software.len())
    };
    assert_eq!(read(answer), (1, 1));
    for part in ["EP\n", "EN\n", "ES\n", "EJ\n", "EX\n"] {
        assert_eq!(read(&answer.replace(part, "")), (0, 0), "{part}");
    }
    assert_eq!(read(&format!("U/opt/x\n{answer}")), (0, 0));
}

/// The words of people stand inside the one function: a cut in them runs nothing either.
#[test]
fn a_cut_script_with_arguments_runs_nothing() {
    let command = ["sh", "-c", "echo 'ran'; # \n'"].map(str::to_owned);
    let requests = FactRequests::scan()
        .with_software(&["/opt/it's".to_owned()])
        .with_version_command(&service("wiki"), &command);
    let script = script(&requests, &Nonce::from_bytes([7; 16]));
    let at = |text: &[u8]| script.windows(text.len()).position(|part| part == text).expect("it is there");
    let (first, second) = (at(b"\nsoftware '/opt"), at(b"\nversion_command 0"));
    let cuts = (first..first + 60).chain(second..second + 120).chain(script.len() - 300..script.len() - 1);
    for cut in cuts {
        let stdout = run(&["sh"], &script[..cut]).expect("sh is there");
        assert_eq!(stdout, b"", "cut after {cut} of {} bytes", script.len());
    }
}
