//! `server.reboot`.

use model::Risk;
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

/// How long the command itself may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// The longest delay, in seconds.
const DELAY_MAX: i32 = 3_600;
/// The longest that a host is waited for, in seconds.
const TIMEOUT_MAX: i32 = 3_600;

struct Reboot {
    delay: String,
    timeout: String,
}

impl Operation for Reboot {
    const NAME: &'static str = "server.reboot";

    fn subject(&self) -> String {
        "host".to_owned()
    }

    fn questions(&self) -> Vec<Question> {
        Vec::new()
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Everything]
    }

    fn risks(&self) -> Vec<Risk> {
        vec![Risk::Reboot]
    }

    fn time_limit(&self) -> Duration {
        TIME_LIMIT
    }

    fn decide(&self, _asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let action = Script::call(&sh::REBOOT, &[&self.delay, &self.timeout]);
        Ok(Decision::always(action).with_diff(vec![model::DiffLine::Added("restart".to_owned())]))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Restarts the host and waits until it is back: steps after it run on the restarted host. The restart is
    /// put off for some seconds, so that what was done so far can be put on record.
    ///
    /// ```python
    /// server.reboot(when = kernel.changed, reboot_timeout = 300)
    /// ```
    ///
    /// # Arguments
    /// * `delay`: how many seconds from now
    /// * `reboot_timeout`: how many seconds after the delay the host may take until it answers again
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn reboot<'v>(
        #[starlark(require = named, default = 10)] delay: i32,
        #[starlark(require = named, default = 600)] reboot_timeout: i32,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            if !(1..=DELAY_MAX).contains(&delay) {
                return Err(format!("expected delay of 1 to {DELAY_MAX} seconds, got {delay}"));
            }
            if !(1..=TIMEOUT_MAX).contains(&reboot_timeout) {
                return Err(format!(
                    "expected reboot_timeout of 1 to {TIMEOUT_MAX} seconds, got {reboot_timeout}"
                ));
            }
            Ok(Reboot { delay: delay.to_string(), timeout: reboot_timeout.to_string() })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
