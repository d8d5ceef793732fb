//! What deploys see of this room.

use lang::{Extension, Scope};
use starlark::environment::GlobalsBuilder;
use starlark::register_starlark_any;
use starlark::starlark_module;
use starlark::values::StarlarkPagablePanic;
use starlark::values::any::StarlarkAny;

/// Returns the functions that this room adds to the language of deploys: the namespace `facts`.
pub fn extension() -> Extension {
    Extension { name: "facts", scope: Scope::Deploys, register }
}

fn register(builder: &mut GlobalsBuilder) {
    builder.namespace("facts", facts);
}

/// A read-only question to the host that a deploy is evaluated for. What code gets is this question,
/// which it cannot look into: the answer comes with the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, StarlarkPagablePanic)]
pub struct FactRequest {
    /// The fact's name, as in the collection.
    pub name: &'static str,
}

register_starlark_any!(FactRequest);

/// One function for each fact of a scan.
#[starlark_module]
fn facts(builder: &mut GlobalsBuilder) {
    /// Asks for the operating system: os-release(5), `freebsd-version -u` on FreeBSD.
    fn os() -> starlark::Result<StarlarkAny<FactRequest>> {
        Ok(StarlarkAny::new(FactRequest { name: "os" }))
    }

    /// Asks for the kernel that runs and, where it can be told, the one that is installed.
    fn kernel() -> starlark::Result<StarlarkAny<FactRequest>> {
        Ok(StarlarkAny::new(FactRequest { name: "kernel" }))
    }

    /// Asks for every installed package with its version and its source.
    fn packages() -> starlark::Result<StarlarkAny<FactRequest>> {
        Ok(StarlarkAny::new(FactRequest { name: "packages" }))
    }
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
        let code = "def deploy(host):\n    return [facts.os(), facts.kernel(), facts.packages()]";
        check(code, &[extension()], &[]);
        // Scope errors come once for each use.
        check("def deploy(host):\n    return facts.packages()", &[], &[Code::StarlarkUnknownName]);
    }

    #[test]
    fn a_fact_that_does_not_exist_is_found_when_loading() {
        check("def deploy(host):\n    return facts.pakages()", &[extension()], &[Code::StarlarkType]);
        check("def deploy(host):\n    return facts.os(1)", &[extension()], &[Code::StarlarkType]);
    }

    #[test]
    fn every_fact_is_documented() {
        let functions = lang::functions(&[extension()]);
        let ours: Vec<_> = functions.iter().filter(|it| it.scope == Scope::Deploys).collect();
        let names: Vec<&str> = ours.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["facts.kernel", "facts.os", "facts.packages"]);
        assert!(ours.iter().all(|it| !it.summary.is_empty()));
    }
}
