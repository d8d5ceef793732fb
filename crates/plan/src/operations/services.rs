//! `server.service`, `openrc.service`, `systemd.service`, `runit.service`, `freebsd.service`, `service.*`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{checked_line, checked_name, checked_path, given};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
/// What is to be of a service; `M` is the operation.
struct Service<const M: usize> {
    name: String,
    running: Option<bool>,
    enabled: Option<bool>,
    /// What its script is told every time.
    verbs: Vec<String>,
    place: String,
}

/// The operations and the manager of each.
const MANAGERS: [(&str, &str); 6] = [
    ("server.service", "auto"),
    ("openrc.service", "openrc"),
    ("systemd.service", "systemd"),
    ("runit.service", "runit"),
    ("freebsd.service", "freebsd"),
    ("service", "auto"),
];

impl<const M: usize> Service<M> {
    fn new(
        name: &str,
        running: Option<bool>,
        enabled: Option<bool>,
        verbs: [(bool, &str); 2],
        command: Option<&str>,
        place: &str,
    ) -> Result<Self, String> {
        let name = checked_name("service", name)?;
        if name.contains('/') {
            return Err("expected service to be a name, got a path".to_owned());
        }
        let given = verbs.into_iter().filter(|(is_given, _)| *is_given).map(|(_, verb)| verb);
        let verbs =
            given.chain(command).map(|verb| checked_name("command", verb)).collect::<Result<_, _>>()?;
        Ok(Self { name, running, enabled, verbs, place: checked_line("place", place)? })
    }

    fn probe(&self) -> Option<Question> {
        if !self.verbs.is_empty() || (self.running.is_none() && self.enabled.is_none()) {
            return None;
        }
        let fields = [(self.running, "r"), (self.enabled, "e")];
        let fields: String =
            fields.iter().filter(|(it, _)| it.is_some()).map(|(_, letter)| *letter).collect();
        Some(Question::new(&sh::SERVICE_STATE, [MANAGERS[M].1, &self.name, &fields, &self.place]))
    }

    fn after(&self) -> String {
        let running = self.running.map(|it| if it { "running" } else { "stopped" });
        let enabled = self.enabled.map(|it| if it { "enabled" } else { "disabled" });
        running.into_iter().chain(enabled).collect::<Vec<_>>().join("\n")
    }

    fn action(&self) -> Script {
        let word = |it: Option<bool>| it.map_or("-", |it| if it { "yes" } else { "no" });
        let manager = MANAGERS[M].1;
        let mut script = Script::default();
        if self.running.is_some() || self.enabled.is_some() {
            let words = [manager, &self.name, word(self.running), word(self.enabled), &self.place];
            script = script.and(&sh::CHANGE_SERVICE, &words);
        }
        for verb in &self.verbs {
            script = script.and(&sh::RUN_SERVICE, &[manager, &self.name, verb, &self.place]);
        }
        script
    }
}

impl<const M: usize> Operation for Service<M> {
    const NAME: &'static str = MANAGERS[M].0;

    fn subject(&self) -> String {
        match self.verbs.as_slice() {
            [] => self.name.clone(),
            verbs => format!("{} ({})", self.name, verbs.join(", ")),
        }
    }

    fn questions(&self) -> Vec<Question> {
        self.probe().into_iter().collect()
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Services, Area::Entry("/etc/rc.conf".to_owned())]
    }

    fn risks(&self) -> Vec<Risk> {
        let is_sshd = ["ssh", "sshd", "ssh.service", "sshd.service"].contains(&self.name.as_str());
        let access =
            (is_sshd && (self.running == Some(false) || self.enabled == Some(false))).then_some(Risk::Access);
        let is_gentle = self.verbs.iter().all(|verb| verb == "reload") && self.running != Some(false);
        let restart =
            (!is_gentle || self.verbs.is_empty() && self.running == Some(false)).then_some(Risk::Restart);
        access.into_iter().chain(restart).collect()
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let Some(probe) = self.probe() else {
            if self.verbs.is_empty() {
                return Ok(Decision::nothing());
            }
            let diff = self.verbs.iter().map(|verb| model::DiffLine::Added(verb.clone())).collect();
            return Ok(Decision::always(self.action()).with_diff(diff));
        };
        let before = asked.map(|asked| asked.said(&probe)).transpose()?.flatten();
        if before.as_deref() == Some("absent") {
            if self.running != Some(true) && self.enabled != Some(true) {
                return Ok(Decision::nothing());
            }
            return Err(format!("expected a service, the host has none named `{}`", self.name));
        }
        Ok(Decision::from_to(probe, before, self.after(), self.action()))
    }
}

#[starlark_module]
pub(super) fn register_server(builder: &mut GlobalsBuilder) {
    /// Makes sure that a service runs or not, and starts at boot or not.
    ///
    /// ```python
    /// server.service("nginx", running = True, enabled = True)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager
    /// * `running`: whether it is to run; None = as it is
    /// * `restarted`: whether it is restarted: every time, so give it a `when`
    /// * `reloaded`: whether it is reloaded: every time, so give it a `when`
    /// * `enabled`: whether it starts at boot; as it is unless given
    /// * `command`: another word for its script, which is run every time
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn service<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::Other(true))] running: NoneOr<bool>,
        #[starlark(require = named, default = false)] restarted: bool,
        #[starlark(require = named, default = false)] reloaded: bool,
        #[starlark(require = named, default = NoneOr::None)] enabled: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] command: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            Service::<0>::new(
                service,
                given(running),
                given(enabled),
                [(restarted, "restart"), (reloaded, "reload")],
                given(command),
                "",
            )
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_openrc(builder: &mut GlobalsBuilder) {
    /// Makes sure that a service runs or not, and starts at boot or not.
    ///
    /// ```python
    /// openrc.service("nginx", running = True, enabled = True)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager
    /// * `running`: whether it is to run; None = as it is
    /// * `restarted`: whether it is restarted: every time, so give it a `when`
    /// * `reloaded`: whether it is reloaded: every time, so give it a `when`
    /// * `enabled`: whether it starts at boot; as it is unless given
    /// * `command`: another word for its script, which is run every time
    /// * `runlevel`: the runlevel that it starts in
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn service<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::Other(true))] running: NoneOr<bool>,
        #[starlark(require = named, default = false)] restarted: bool,
        #[starlark(require = named, default = false)] reloaded: bool,
        #[starlark(require = named, default = NoneOr::None)] enabled: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] command: NoneOr<&'v str>,
        #[starlark(require = named, default = "default")] runlevel: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            Service::<1>::new(
                service,
                given(running),
                given(enabled),
                [(restarted, "restart"), (reloaded, "reload")],
                given(command),
                checked_name("runlevel", runlevel)?.as_str(),
            )
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_systemd(builder: &mut GlobalsBuilder) {
    /// Makes sure that a service runs or not, and starts at boot or not.
    ///
    /// ```python
    /// systemd.service("nginx", running = True, enabled = True)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager
    /// * `running`: whether it is to run; None = as it is
    /// * `restarted`: whether it is restarted: every time, so give it a `when`
    /// * `reloaded`: whether it is reloaded: every time, so give it a `when`
    /// * `enabled`: whether it starts at boot; as it is unless given
    /// * `command`: another word for its script, which is run every time
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn service<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::Other(true))] running: NoneOr<bool>,
        #[starlark(require = named, default = false)] restarted: bool,
        #[starlark(require = named, default = false)] reloaded: bool,
        #[starlark(require = named, default = NoneOr::None)] enabled: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] command: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            Service::<2>::new(
                service,
                given(running),
                given(enabled),
                [(restarted, "restart"), (reloaded, "reload")],
                given(command),
                "",
            )
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_runit(builder: &mut GlobalsBuilder) {
    /// Makes sure that a service runs or not, and starts at boot or not.
    ///
    /// ```python
    /// runit.service("nginx", running = True, enabled = True)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager
    /// * `running`: whether it is to run; None = as it is
    /// * `restarted`: whether it is restarted: every time, so give it a `when`
    /// * `reloaded`: whether it is reloaded: every time, so give it a `when`
    /// * `enabled`: whether it starts at boot; as it is unless given
    /// * `command`: another word for its script, which is run every time
    /// * `svdir`: the directory of services that are run
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn service<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::Other(true))] running: NoneOr<bool>,
        #[starlark(require = named, default = false)] restarted: bool,
        #[starlark(require = named, default = false)] reloaded: bool,
        #[starlark(require = named, default = NoneOr::None)] enabled: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] command: NoneOr<&'v str>,
        #[starlark(require = named, default = "/var/service")] svdir: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            Service::<3>::new(
                service,
                given(running),
                given(enabled),
                [(restarted, "restart"), (reloaded, "reload")],
                given(command),
                checked_path("svdir", svdir)?.as_str(),
            )
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_freebsd(builder: &mut GlobalsBuilder) {
    /// Makes sure that a service runs or not, and starts at boot or not.
    ///
    /// ```python
    /// freebsd.service("nginx", running = True, enabled = True)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager
    /// * `running`: whether it is to run; None = as it is
    /// * `restarted`: whether it is restarted: every time, so give it a `when`
    /// * `reloaded`: whether it is reloaded: every time, so give it a `when`
    /// * `enabled`: whether it starts at boot; as it is unless given
    /// * `command`: another word for its script, which is run every time
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn service<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::Other(true))] running: NoneOr<bool>,
        #[starlark(require = named, default = false)] restarted: bool,
        #[starlark(require = named, default = false)] reloaded: bool,
        #[starlark(require = named, default = NoneOr::None)] enabled: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] command: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            Service::<4>::new(
                service,
                given(running),
                given(enabled),
                [(restarted, "restart"), (reloaded, "reload")],
                given(command),
                "",
            )
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_verbs(builder: &mut GlobalsBuilder) {
    /// Reloads a service.
    ///
    /// ```python
    /// service.reload("haproxy", when = cfg.changed)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager that the host has
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn reload<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Service::<5>::new(service, None, None, [(true, "reload"), (false, "")], None, "");
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Restarts a service.
    ///
    /// ```python
    /// service.restart("haproxy", when = cfg.changed)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager that the host has
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn restart<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Service::<5>::new(service, None, None, [(true, "restart"), (false, "")], None, "");
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Starts a service.
    ///
    /// ```python
    /// service.start("haproxy", when = cfg.changed)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager that the host has
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn start<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Service::<5>::new(service, None, None, [(true, "start"), (false, "")], None, "");
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Stops a service.
    ///
    /// ```python
    /// service.stop("haproxy", when = cfg.changed)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager that the host has
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn stop<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Service::<5>::new(service, None, None, [(true, "stop"), (false, "")], None, "");
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
