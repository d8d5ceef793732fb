//! `server.wait`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use std::time::Duration;

use super::argument::given;
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
/// The longest time to wait, in seconds.
const SECONDS_MAX: i32 = 3_600;

struct Wait {
    port: String,
    seconds: u64,
}

impl Operation for Wait {
    const NAME: &'static str = "server.wait";

    fn subject(&self) -> String {
        format!("port {}", self.port)
    }

    fn questions(&self) -> Vec<Question> {
        Vec::new()
    }

    fn touches(&self) -> Vec<Area> {
        Vec::new()
    }

    fn time_limit(&self) -> Duration {
        /// What it may take beyond the waiting itself.
        const MARGIN: Duration = Duration::from_secs(30);
        Duration::from_secs(self.seconds) + MARGIN
    }

    fn decide(&self, _asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let action = Script::call(&sh::WAIT_PORT, &[self.port.clone(), self.seconds.to_string()]);
        Ok(Decision::always(action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Waits until something listens on a TCP port of the host. It changes nothing, and runs every time.
    ///
    /// ```python
    /// server.wait(port = 8080, when = app.changed)
    /// ```
    ///
    /// # Arguments
    /// * `port`: the port
    /// * `seconds`: how long it waits before it fails
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn wait<'v>(
        port: i32,
        #[starlark(require = named, default = 60)] seconds: i32,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let port = u16::try_from(port).ok().filter(|port| *port > 0);
            let port = port.ok_or("expected port to be 1 to 65535")?;
            if !(1..=SECONDS_MAX).contains(&seconds) {
                return Err(format!("expected seconds to be 1 to {SECONDS_MAX}, got {seconds}"));
            }
            Ok(Wait { port: port.to_string(), seconds: u64::try_from(seconds).unwrap_or_default() })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
