//! The structs of the format, and from and to the model.
//!
//! Hosts of one deploy have most of their steps in common, and steps most of their code. So a step that the host
//! before has at the same place too is written once, and so is the text of every action and probe: a plan of 1,000
//! hosts is as large as what tells them apart.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use model::{
    Change, ClientName, Condition, Content, ContentPiece, DiffLine, HostName, HostPlan, Place, Plan, Probe,
    Risk, SecretVersion, Step,
};
use serde::{Deserialize, Serialize};

/// What a step takes beside its texts, in bytes; roughly.
const STEP_BYTES: usize = 256;

/// A plan.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WirePlan<'a> {
    pub format: u32,
    deploy: Cow<'a, str>,
    waves: Vec<Vec<Cow<'a, str>>>,
    /// The texts of actions and probes, each once, in the order in which steps take them.
    texts: Vec<Cow<'a, str>>,
    /// The steps of all hosts, in the order in which hosts take them.
    steps: Vec<WireStep<'a>>,
    hosts: Vec<WireHost<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHost<'a> {
    client: Cow<'a, str>,
    host: Cow<'a, str>,
    facts_at: Timestamp,
    fact_passes: u32,
    /// Places in the plan's steps.
    steps: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireStep<'a> {
    operation: Cow<'a, str>,
    subject: Cow<'a, str>,
    place: WirePlace<'a>,
    change: WireChange,
    diff: Vec<WireLine<'a>>,
    probe: Option<WireProbe<'a>>,
    /// The place of its text in the plan's texts.
    action: usize,
    bodies: Vec<Vec<WirePiece<'a>>>,
    /// `None` = always.
    when_changed: Option<Cow<'a, [usize]>>,
    handler: bool,
    risks: Vec<Cow<'a, str>>,
    time_limit_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireChange {
    None,
    Certain,
    Undecided,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireProbe<'a> {
    /// The place of its text in the plan's texts.
    script: usize,
    before: Option<Cow<'a, str>>,
    after: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
enum WireLine<'a> {
    #[serde(rename = " ")]
    Same(Cow<'a, str>),
    #[serde(rename = "-")]
    Removed(Cow<'a, str>),
    #[serde(rename = "+")]
    Added(Cow<'a, str>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WirePiece<'a> {
    Text(Cow<'a, str>),
    Base64(Cow<'a, str>),
    Secret { name: Cow<'a, str>, version: Cow<'a, str> },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WirePlace<'a> {
    File { path: Cow<'a, str> },
    Spot { path: Cow<'a, str>, line: usize, column: usize },
    Host { host: Cow<'a, str>, part: Cow<'a, str> },
    Feed { feed: Cow<'a, str>, part: Cow<'a, str> },
    Nowhere,
}

/// Returns the version that bytes say they have.
pub(super) fn format_of(bytes: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    serde_json::from_slice::<Head>(bytes).ok().map(|head| head.format)
}

impl<'a> WirePlan<'a> {
    /// Takes a plan.
    pub(super) fn from_plan(plan: &'a Plan, format: u32) -> Self {
        let mut shared = Shared::default();
        let mut hosts: Vec<WireHost<'a>> = Vec::with_capacity(plan.hosts.len());
        for (at, host) in plan.hosts.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| (&plan.hosts[at], hosts[at].steps.as_slice()));
            let steps = shared.add(host, before);
            hosts.push(WireHost {
                client: host.client.as_str().into(),
                host: host.host.as_str().into(),
                facts_at: host.facts_at,
                fact_passes: host.fact_passes,
                steps,
            });
        }
        let wave = |wave: &'a Vec<HostName>| wave.iter().map(|name| name.as_str().into()).collect();
        let waves = plan.waves.iter().map(wave).collect();
        Self {
            format,
            deploy: plan.deploy.as_str().into(),
            waves,
            texts: shared.texts,
            steps: shared.steps,
            hosts,
        }
    }

    /// Returns what the plan of it takes, in bytes; roughly.
    pub(super) fn plan_bytes(&self) -> usize {
        let of_step: Vec<usize> = self.steps.iter().map(|step| step.bytes(&self.texts)).collect();
        let steps = self.hosts.iter().flat_map(|host| &host.steps);
        steps.filter_map(|step| of_step.get(*step)).fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Makes a plan; every host is in one wave, and conditions name earlier steps of the same host.
    pub(super) fn into_plan(self) -> Result<Plan, String> {
        let texts: Vec<String> = self.texts.into_iter().map(Cow::into_owned).collect();
        let step = |step: WireStep<'_>| step.into_step(&texts);
        let steps: Vec<Step> = self.steps.into_iter().map(step).collect::<Result<_, _>>()?;
        let wave =
            |wave: Vec<Cow<'_, str>>| wave.iter().map(|name| host(name)).collect::<Result<Vec<_>, _>>();
        let waves: Vec<Vec<HostName>> = self.waves.into_iter().map(wave).collect::<Result<_, _>>()?;
        let hosts: Vec<HostPlan> =
            self.hosts.into_iter().map(|host| host.into_host(&steps)).collect::<Result<_, _>>()?;
        let names: BTreeSet<&HostName> = hosts.iter().map(|host| &host.host).collect();
        let in_waves: BTreeSet<&HostName> = waves.iter().flatten().collect();
        let count: usize = waves.iter().map(Vec::len).sum();
        if names.len() != hosts.len() || names != in_waves || count != hosts.len() {
            return Err("expected every host once, and in one wave".to_owned());
        }
        if !hosts.windows(2).all(|pair| pair[0].host < pair[1].host) {
            return Err("expected hosts sorted by name".to_owned());
        }
        Ok(Plan { deploy: self.deploy.into_owned(), hosts, waves })
    }
}

/// What hosts have in common, so far.
#[derive(Default)]
struct Shared<'a> {
    texts: Vec<Cow<'a, str>>,
    places: HashMap<&'a str, usize>,
    steps: Vec<WireStep<'a>>,
}

impl<'a> Shared<'a> {
    /// Adds the steps of a host; returns their places. `before` is the host before it, with its steps' places.
    fn add(&mut self, host: &'a HostPlan, before: Option<(&HostPlan, &[usize])>) -> Vec<usize> {
        let (known, places) = before.map_or((&[][..], &[][..]), |(host, places)| (&host.steps, places));
        let mut known = known.iter().zip(places);
        let mut place = |step: &'a Step| match known.next() {
            Some((same, place)) if same == step => *place,
            Some(_) | None => {
                let step = WireStep::from_step(step, |text| self.text(text));
                self.steps.push(step);
                self.steps.len() - 1
            }
        };
        host.steps.iter().map(&mut place).collect()
    }

    fn text(&mut self, text: &'a str) -> usize {
        let next = self.texts.len();
        let texts = &mut self.texts;
        *self.places.entry(text).or_insert_with(|| {
            texts.push(text.into());
            next
        })
    }
}

impl WireHost<'_> {
    fn into_host(self, all: &[Step]) -> Result<HostPlan, String> {
        let step = |place: usize| all.get(place).cloned().ok_or_else(|| format!("there is no step {place}"));
        let steps: Vec<Step> = self.steps.into_iter().map(step).collect::<Result<_, _>>()?;
        for (at, step) in steps.iter().enumerate() {
            if let Condition::AnyChanged(sources) = &step.condition
                && sources.iter().any(|source| *source >= at)
            {
                return Err(format!("step {at} depends on one that does not come before it"));
            }
        }
        Ok(HostPlan {
            client: ClientName::new(&self.client).map_err(|error| error.to_string())?,
            host: host(&self.host)?,
            facts_at: self.facts_at,
            fact_passes: self.fact_passes,
            steps,
        })
    }
}

impl<'a> WireStep<'a> {
    fn from_step(step: &'a Step, mut text: impl FnMut(&'a str) -> usize) -> Self {
        let action = text(&step.action);
        let probe = step.probe.as_ref().map(|probe| WireProbe {
            script: text(&probe.script),
            before: probe.before.as_deref().map(Cow::from),
            after: probe.after.as_deref().map(Cow::from),
        });
        Self {
            operation: step.operation.as_str().into(),
            subject: step.subject.as_str().into(),
            place: WirePlace::from_place(&step.place),
            change: match step.change {
                Change::None => WireChange::None,
                Change::Certain => WireChange::Certain,
                Change::Undecided => WireChange::Undecided,
            },
            diff: step.diff.iter().map(WireLine::from_line).collect(),
            probe,
            action,
            bodies: step
                .bodies
                .iter()
                .map(|body| body.0.iter().map(WirePiece::from_piece).collect())
                .collect(),
            when_changed: match &step.condition {
                Condition::Always => None,
                Condition::AnyChanged(sources) => Some(Cow::from(sources)),
            },
            handler: step.is_handler,
            risks: step.risks.iter().map(|risk| risk.as_str().into()).collect(),
            time_limit_ms: u64::try_from(step.time_limit.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn into_step(self, texts: &[String]) -> Result<Step, String> {
        let text =
            |place: usize| texts.get(place).cloned().ok_or_else(|| format!("there is no text {place}"));
        let body = |pieces: Vec<WirePiece<'_>>| {
            pieces.into_iter().map(WirePiece::into_piece).collect::<Result<Vec<_>, String>>().map(Content)
        };
        let probe = |it: WireProbe<'_>| {
            let (before, after) = (it.before.map(Cow::into_owned), it.after.map(Cow::into_owned));
            Ok::<_, String>(Probe { script: text(it.script)?, before, after })
        };
        let risk = |word: &Cow<'_, str>| Risk::parse(word).ok_or_else(|| format!("`{word}` is no risk"));
        Ok(Step {
            operation: self.operation.into_owned(),
            subject: self.subject.into_owned(),
            place: self.place.into_place()?,
            change: match self.change {
                WireChange::None => Change::None,
                WireChange::Certain => Change::Certain,
                WireChange::Undecided => Change::Undecided,
            },
            diff: self.diff.into_iter().map(WireLine::into_line).collect(),
            probe: self.probe.map(probe).transpose()?,
            action: text(self.action)?,
            bodies: self.bodies.into_iter().map(body).collect::<Result<_, _>>()?,
            condition: self
                .when_changed
                .map_or(Condition::Always, |sources| Condition::AnyChanged(sources.into_owned())),
            is_handler: self.handler,
            risks: self.risks.iter().map(risk).collect::<Result<_, _>>()?,
            time_limit: Duration::from_millis(self.time_limit_ms),
        })
    }

    /// Returns what the step takes, in bytes; roughly.
    fn bytes(&self, texts: &[Cow<'_, str>]) -> usize {
        let text = |place: usize| texts.get(place).map_or(0, |text| text.len());
        let probe = self.probe.as_ref().map_or(0, |probe| {
            let said = [&probe.before, &probe.after].into_iter().flatten();
            text(probe.script) + said.map(|state| state.len()).sum::<usize>()
        });
        let diff: usize = self.diff.iter().map(|line| STEP_BYTES + line.text().len()).sum();
        let bodies: usize = self.bodies.iter().flatten().map(WirePiece::bytes).sum();
        let own = self.operation.len() + self.subject.len();
        STEP_BYTES + own + text(self.action) + probe + diff + bodies
    }
}

impl<'a> WireLine<'a> {
    fn from_line(line: &'a DiffLine) -> Self {
        match line {
            DiffLine::Same(text) => Self::Same(text.into()),
            DiffLine::Removed(text) => Self::Removed(text.into()),
            DiffLine::Added(text) => Self::Added(text.into()),
        }
    }

    fn into_line(self) -> DiffLine {
        match self {
            Self::Same(text) => DiffLine::Same(text.into_owned()),
            Self::Removed(text) => DiffLine::Removed(text.into_owned()),
            Self::Added(text) => DiffLine::Added(text.into_owned()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Same(text) | Self::Removed(text) | Self::Added(text) => text,
        }
    }
}

impl<'a> WirePiece<'a> {
    fn from_piece(piece: &'a ContentPiece) -> Self {
        match piece {
            ContentPiece::Plain(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::Text(text.into()),
                Err(_) => Self::Base64(STANDARD.encode(bytes).into()),
            },
            ContentPiece::Secret(secret) => {
                Self::Secret { name: secret.name.as_str().into(), version: secret.version.as_str().into() }
            }
        }
    }

    fn into_piece(self) -> Result<ContentPiece, String> {
        Ok(match self {
            Self::Text(text) => ContentPiece::Plain(text.into_owned().into_bytes()),
            Self::Base64(text) => ContentPiece::Plain(
                STANDARD.decode(text.as_bytes()).map_err(|error| format!("a body: {error}"))?,
            ),
            Self::Secret { name, version } => {
                ContentPiece::Secret(SecretVersion { name: name.into_owned(), version: version.into_owned() })
            }
        })
    }

    fn bytes(&self) -> usize {
        let texts = match self {
            Self::Text(text) | Self::Base64(text) => text.len(),
            Self::Secret { name, version } => name.len() + version.len(),
        };
        STEP_BYTES + texts
    }
}

impl<'a> WirePlace<'a> {
    fn from_place(place: &'a Place) -> Self {
        match place {
            Place::File { path } => Self::File { path: path.into() },
            Place::Spot { path, line, column } => {
                Self::Spot { path: path.into(), line: *line, column: *column }
            }
            Place::Host { host, part } => Self::Host { host: host.as_str().into(), part: part.into() },
            Place::Feed { feed, part } => Self::Feed { feed: feed.into(), part: part.into() },
            Place::Nowhere => Self::Nowhere,
        }
    }

    fn into_place(self) -> Result<Place, String> {
        Ok(match self {
            Self::File { path } => Place::File { path: path.into_owned() },
            Self::Spot { path, line, column } => Place::Spot { path: path.into_owned(), line, column },
            Self::Host { host: name, part } => Place::Host { host: host(&name)?, part: part.into_owned() },
            Self::Feed { feed, part } => Place::Feed { feed: feed.into_owned(), part: part.into_owned() },
            Self::Nowhere => Place::Nowhere,
        })
    }
}

fn host(name: &str) -> Result<HostName, String> {
    HostName::new(name).map_err(|error| error.to_string())
}
