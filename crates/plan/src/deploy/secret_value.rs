//! `secret()`.

use std::fmt;

use allocative::Allocative;
use model::{Code, SecretVersion};
use starlark::any::ProvidesStaticType;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::values::{NoSerialize, StarlarkPagablePanic, StarlarkValue, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::result::Looked;
use super::session::Session;

/// A secret that cannot be looked into: its name and version.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct SecretValue {
    name: String,
    version: String,
    looked: Looked,
}

starlark_simple_value!(SecretValue);

impl SecretValue {
    /// Returns what tells it from others.
    pub(crate) fn version(&self) -> SecretVersion {
        SecretVersion { name: self.name.clone(), version: self.version.clone() }
    }
}

impl fmt::Display for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.looked.at_secret();
        f.write_str("secret")
    }
}

#[starlark_value(type = "Secret")]
impl<'v> StarlarkValue<'v> for SecretValue {
    fn collect_repr(&self, collector: &mut String) {
        self.looked.at_secret();
        collector.push_str("secret");
    }
}

#[starlark_module]
#[starlark_types(SecretValue as Secret)]
pub(crate) fn secret_function(builder: &mut GlobalsBuilder) {
    /// Names a secret. Its value cannot be looked at: it can be the content of a file, or an argument of a
    /// template; plans and diffs show its name.
    ///
    /// ```python
    /// files.template("templates/app.conf.j2", "/etc/app.conf", mode = "600", password = secret("app/db"))
    /// ```
    ///
    /// # Arguments
    /// * `name`: its name in the store of secrets
    fn secret<'v>(
        #[starlark(require = pos)] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<SecretValue> {
        let session = Session::of(eval)?;
        let found = (session.view.secrets)(name).map_err(|why| {
            lang::fault(Code::PlanBadArgument, format!("secret `{}`: {why}", name.escape_debug()), None)
        })?;
        Ok(SecretValue { name: found.name, version: found.version, looked: session.looked() })
    }
}
