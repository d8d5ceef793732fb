//! `server.service`, `openrc.service`, `systemd.service`, `runit.service`, `freebsd.service`, `service.*`: one
//! file for each manager, because each has arguments of its own.

pub(super) mod freebsd;
pub(super) mod openrc;
pub(super) mod runit;
pub(super) mod server;
pub(super) mod systemd;
pub(super) mod verbs;

use either::Either;
use model::Risk;
use starlark::eval::Evaluator;
use starlark::values::ValueTyped;

use super::argument::{checked_line, checked_name};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, ChangedValue, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// What a service is told every time, each with whether it is.
type Verbs = [(bool, &'static str); 2];

/// Whether something is done every time; or `.changed` of other steps: where one of them changed something.
type OnChange<'v> = Either<bool, ValueTyped<'v, ChangedValue>>;

/// What is to be of a service; `M` is the operation.
struct Service<const M: usize> {
    name: String,
    running: Option<bool>,
    enabled: Option<bool>,
    /// What its script is told every time.
    verbs: Vec<String>,
    /// OpenRC's runlevel, runit's directory, FreeBSD's jail, or systemctl's options.
    place: String,
    /// Whether systemd reads its units again where they have changed.
    reads_again: bool,
}

/// The operations and the manager of each.
const MANAGERS: [(&str, &str); 7] = [
    ("server.service", "auto"),
    ("openrc.service", "openrc"),
    ("systemd.service", "systemd"),
    ("runit.service", "runit"),
    ("freebsd.service", "freebsd"),
    ("service", "auto"),
    ("service.service", "freebsd"),
];

impl<const M: usize> Service<M> {
    fn new(
        name: &str,
        running: Option<bool>,
        enabled: Option<bool>,
        verbs: Verbs,
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
        Ok(Self { name, running, enabled, verbs, place: checked_line("place", place)?, reads_again: false })
    }

    /// Leaves only the first of its verbs.
    fn only_verb(self) -> Self {
        let verbs = self.verbs.into_iter().take(1).collect();
        Self { verbs, running: None, enabled: None, reads_again: false, ..self }
    }

    /// Lets systemd read its units again where they have changed.
    fn reading_again(mut self, reads_again: bool) -> Self {
        self.reads_again = reads_again;
        self
    }

    fn probe(&self) -> Option<Question> {
        let fields = [(self.reads_again, 'd'), (self.running.is_some(), 'r'), (self.enabled.is_some(), 'e')];
        let fields: String = fields.iter().filter(|(is_asked, _)| *is_asked).map(|(_, it)| *it).collect();
        if !self.verbs.is_empty() || fields.is_empty() {
            return None;
        }
        Some(Question::new(&sh::SERVICE_STATE, [MANAGERS[M].1, &self.name, &fields, &self.place]))
    }

    fn after(&self) -> String {
        let current = self.reads_again.then_some("current");
        let running = self.running.map(|it| if it { "running" } else { "stopped" });
        let enabled = self.enabled.map(|it| if it { "enabled" } else { "disabled" });
        current.into_iter().chain(running).chain(enabled).collect::<Vec<_>>().join("\n")
    }

    fn action(&self) -> Script {
        let word = |it: Option<bool>| it.map_or("-", |it| if it { "yes" } else { "no" });
        let manager = MANAGERS[M].1;
        let mut script = Script::default();
        if self.reads_again {
            script = script.and(&sh::RUN_SERVICE, &[manager, "", "daemon-reload", &self.place]);
        }
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

/// Makes the step of a service, and a step of its own for what is done where another step changed something.
fn run_service<'v, const M: usize>(
    eval: &Evaluator<'v, '_, '_>,
    make: &impl Fn(Verbs) -> Result<Service<M>, String>,
    given: [OnChange<'v>; 2],
    common: &Common<'v>,
) -> starlark::Result<StepValue> {
    const VERBS: [&str; 2] = ["restart", "reload"];
    let [restarted, reloaded] = given.each_ref().map(|it| matches!(it, Either::Left(true)));
    let is_on_change = given.iter().any(Either::is_right);
    let service = match common.when {
        Some(_) if is_on_change => {
            Err("expected either when or `.changed` in restarted or reloaded".to_owned())
        }
        _ => make([(restarted, VERBS[0]), (reloaded, VERBS[1])]),
    };
    let is_good = service.is_ok();
    let mut step = run(eval, service, common)?;
    for (changed, verb) in given.into_iter().zip(VERBS) {
        let Either::Right(changed) = changed else { continue };
        if is_good {
            let again = make([(true, verb), (false, "")]).map(Service::only_verb);
            let common =
                Common { name: common.name, when: Some(changed.to_value()), handler: common.handler };
            step = step.and(run(eval, again, &common)?);
        }
    }
    Ok(step)
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

    fn depends(&self) -> Vec<Area> {
        // A unit or a script of it that an earlier step brings is not known to the host yet.
        let folders = [
            "/etc/init.d",
            "/etc/runlevels",
            "/etc/rc.d",
            "/usr/local/etc/rc.d",
            "/etc/sv",
            "/etc/systemd",
            "/lib/systemd",
            "/usr/lib/systemd",
        ];
        let trees = folders.into_iter().map(|folder| Area::Tree(folder.to_owned()));
        trees.chain(self.touches()).collect()
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
