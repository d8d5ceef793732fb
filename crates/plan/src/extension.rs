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
