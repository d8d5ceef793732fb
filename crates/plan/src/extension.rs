//! What deploys see of this room.

use lang::{Extension, Scope};
use starlark::environment::GlobalsBuilder;

use crate::deploy::{facts_namespace, inventory_namespace, order_functions, secret_function};
use crate::operations;

/// Returns the functions that this room adds to the language of deploys: operations, `facts`,
/// `inventory`, `secret`, and the order of hosts.
pub fn extension() -> Extension {
    Extension { name: "deploys", scope: Scope::Deploys, register }
}

fn register(builder: &mut GlobalsBuilder) {
    builder.namespace("facts", facts_namespace);
    builder.namespace("inventory", inventory_namespace);
    secret_function(builder);
    order_functions(builder);
    operations::register(builder);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use model::Code;

    use super::*;

    fn check(code: &str, extensions: &[Extension], expected: &[Code]) {
        let root = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(root.path().join("deploys")).expect("a directory");
        fs::write(root.path().join(lang::WORKSPACE_FILE), "").expect("a file");
        fs::write(root.path().join("deploys/look.star"), code).expect("a file");
        let (workspace, problems) = lang::load(root.path(), extensions);
        let codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, expected, "{problems:?}");
        assert_eq!(workspace.deploys.len(), usize::from(expected.is_empty()));
    }

    #[test]
    fn deploys_ask_for_facts() {
        let code = "def deploy(host):\n    return [facts.os(), facts.kernel(), facts.package(\"nginx\")]";
        check(code, &[extension()], &[]);
        // Scope errors come once for each use.
        check("def deploy(host):\n    return facts.os()", &[], &[Code::StarlarkUnknownName]);
    }

    #[test]
    fn what_does_not_exist_is_found_when_loading() {
        check("def deploy(host):\n    return facts.pakages()", &[extension()], &[Code::StarlarkType]);
        check("def deploy(host):\n    return facts.os(1)", &[extension()], &[Code::StarlarkType]);
        check("def deploy(host):\n    files.put(dst = \"/etc/motd\")", &[extension()], &[Code::StarlarkType]);
        check("def deploy(host):\n    server.user(\"bob\", uid = [])", &[extension()], &[Code::StarlarkType]);
    }

    #[test]
    fn arguments_of_pyinfra_are_told_apart_from_typos() {
        let check = |argument: &str, expected: Option<&str>| {
            let root = tempfile::tempdir().expect("a temporary directory");
            fs::create_dir(root.path().join("deploys")).expect("a directory");
            fs::write(root.path().join(lang::WORKSPACE_FILE), "").expect("a file");
            let code = format!("def deploy(host):\n    apk.update({argument} = True)\n");
            fs::write(root.path().join("deploys/look.star"), code).expect("a file");
            let (_, problems) = lang::load(root.path(), &[extension()]);
            let hint = problems[0].hint.as_deref();
            assert_eq!(hint.is_some(), expected.is_some(), "{problems:?}");
            assert!(hint.unwrap_or_default().contains(expected.unwrap_or_default()), "{problems:?}");
        };
        check("_if", Some("`when = cfg.changed`"));
        check("_sudo", Some("ssh.become"));
        check("whenn", None);
    }

    #[test]
    fn every_function_and_parameter_is_documented() {
        let functions = lang::functions(&[extension()]);
        let ours: Vec<_> = functions.iter().filter(|it| it.scope == Scope::Deploys).collect();
        assert!(ours.len() > 40, "{}", ours.len());
        for function in ours {
            assert!(!function.summary.is_empty(), "{}", function.name);
            for (parameter, text) in &function.parameters {
                assert!(!text.is_empty(), "{} {parameter}", function.name);
            }
        }
    }
}
