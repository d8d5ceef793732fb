//! `server.wait`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use std::time::Duration;

use super::argument::{checked_name, checked_path, checked_url, given, seconds};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// The longest time to wait, in seconds.
const TIMEOUT_MAX: u32 = 3_600;
/// The longest time between two looks, in seconds.
const INTERVAL_MAX: u32 = 300;

struct Wait {
    /// What is looked at: `port`, `file`, `url` or `url-insecure`.
    kind: &'static str,
    what: String,
    wanted: String,
    timeout: u32,
    interval: u32,
}

impl Wait {
    fn probe(&self) -> Question {
        Question::new(&sh::WAIT_STATE, [self.kind, &self.what, &self.wanted])
    }
}

impl Operation for Wait {
    const NAME: &'static str = "server.wait";

    fn subject(&self) -> String {
        match (self.kind, self.wanted.as_str()) {
            ("port", "127.0.0.1") => format!("port {}", self.what),
            ("port", host) => format!("port {} of {host}", self.what),
            ("file", "absent") => format!("no {}", self.what),
            _ => self.what.clone(),
        }
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        Vec::new()
    }

    fn depends(&self) -> Vec<Area> {
        // Whatever an earlier step does may be what it waits for.
        vec![Area::Everything]
    }

    fn time_limit(&self) -> Duration {
        /// What it may take beyond the waiting itself.
        const MARGIN: Duration = Duration::from_secs(30);
        Duration::from_secs(self.timeout.into()) + MARGIN
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let (timeout, interval) = (self.timeout.to_string(), self.interval.to_string());
        let words = [self.kind, &self.what, &self.wanted, &timeout, &interval];
        let action = Script::call(&sh::WAIT_FOR, &words);
        Ok(Decision::from_to(self.probe(), before, "so".to_owned(), action))
    }
}

/// What it waits for, as it was given.
struct Given<'a> {
    port: Option<i32>,
    host: Option<&'a str>,
    file: Option<&'a str>,
    present: bool,
    url: Option<&'a str>,
    status: i32,
    insecure: bool,
}

impl Given<'_> {
    /// Returns the kind, what is looked at and what is wanted of it.
    fn read(&self) -> Result<(&'static str, String, String), String> {
        match (self.port, self.file, self.url) {
            (Some(port), None, None) => {
                let port = u16::try_from(port).ok().filter(|port| *port > 0);
                let port = port.ok_or("expected port to be 1 to 65535")?;
                let host = checked_name("host", self.host.unwrap_or("127.0.0.1"))?;
                Ok(("port", port.to_string(), host))
            }
            (None, Some(file), None) => {
                let wanted = if self.present { "there" } else { "absent" };
                Ok(("file", checked_path("file", file)?, wanted.to_owned()))
            }
            (None, None, Some(url)) => {
                if !(100..=599).contains(&self.status) {
                    return Err(format!("expected status of 100 to 599, got {}", self.status));
                }
                let kind = if self.insecure { "url-insecure" } else { "url" };
                Ok((kind, checked_url("url", url)?, self.status.to_string()))
            }
            _ => Err("expected one of port, file and url".to_owned()),
        }
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Waits until something listens on a TCP port, a file is there, or an address answers. It changes nothing: where
    /// it is so already, and no earlier step changes something, there is nothing to do.
    ///
    /// ```python
    /// server.wait(port = 8080, when = app.changed)
    /// server.wait(file = "/run/app/ready", timeout = 120)
    /// server.wait(url = "http://127.0.0.1:8080/health", status = 200, interval = 2)
    /// ```
    ///
    /// # Arguments
    /// * `port`: the port
    /// * `host`: with `port`: the host; this one unless given
    /// * `file`: the path of whatever is to be there
    /// * `present`: with `file`: False: it is to be gone
    /// * `url`: the address, https:// or http://, as the host itself asks it
    /// * `status`: with `url`: the status that it is to answer with; a redirection is not followed
    /// * `insecure`: with `url`: whether any certificate will do
    /// * `timeout`: how many seconds it waits before it fails
    /// * `interval`: how many seconds lie between two looks
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "each one by its name")]
    fn wait<'v>(
        #[starlark(default = NoneOr::None)] port: NoneOr<i32>,
        #[starlark(require = named, default = NoneOr::None)] host: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] file: NoneOr<&'v str>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] url: NoneOr<&'v str>,
        #[starlark(require = named, default = 200)] status: i32,
        #[starlark(require = named, default = false)] insecure: bool,
        #[starlark(require = named, default = 60)] timeout: i32,
        #[starlark(require = named, default = 1)] interval: i32,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let (port, file, url) = (given(port), given(file), given(url));
            let given = Given { port, host: given(host), file, present, url, status, insecure };
            let (kind, what, wanted) = given.read()?;
            let timeout = seconds("timeout", timeout, 0..=TIMEOUT_MAX)?;
            let interval = seconds("interval", interval, 1..=INTERVAL_MAX)?;
            Ok(Wait { kind, what, wanted, timeout, interval })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
