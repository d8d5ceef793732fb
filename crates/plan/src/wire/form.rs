//! The structs of the format, and from and to the model.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use model::{
    Change, ClientName, Condition, Content, ContentPiece, DiffLine, HostName, HostPlan, Place, Plan, Probe,
    Risk, SecretVersion, Step,
};
use serde::{Deserialize, Serialize};

/// A plan.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WirePlan {
    pub format: u32,
    deploy: String,
    waves: Vec<Vec<String>>,
    hosts: Vec<WireHost>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHost {
    client: String,
    host: String,
    facts_at: Timestamp,
    fact_passes: u32,
    steps: Vec<WireStep>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireStep {
    operation: String,
    subject: String,
    place: WirePlace,
    change: WireChange,
    diff: Vec<WireLine>,
    probe: Option<WireProbe>,
    action: String,
    bodies: Vec<Vec<WirePiece>>,
    /// `None` = always.
    when_changed: Option<Vec<usize>>,
    handler: bool,
    risks: Vec<String>,
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
struct WireProbe {
    script: String,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum WireLine {
    #[serde(rename = " ")]
    Same(String),
    #[serde(rename = "-")]
    Removed(String),
    #[serde(rename = "+")]
    Added(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WirePiece {
    Text(String),
    Base64(String),
    Secret { name: String, version: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WirePlace {
    File { path: String },
    Spot { path: String, line: usize, column: usize },
    Host { host: String, part: String },
    Feed { feed: String, part: String },
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

impl WirePlan {
    /// Takes a plan.
    pub(super) fn from_plan(plan: &Plan, format: u32) -> Self {
        let wave = |wave: &Vec<HostName>| wave.iter().map(ToString::to_string).collect();
        Self {
            format,
            deploy: plan.deploy.clone(),
            waves: plan.waves.iter().map(wave).collect(),
            hosts: plan.hosts.iter().map(WireHost::from_host).collect(),
        }
    }

    /// Makes a plan; every host is in one wave, and conditions name earlier steps of the same host.
    pub(super) fn into_plan(self) -> Result<Plan, String> {
        let wave = |wave: Vec<String>| wave.iter().map(|name| host(name)).collect::<Result<Vec<_>, _>>();
        let waves: Vec<Vec<HostName>> = self.waves.into_iter().map(wave).collect::<Result<_, _>>()?;
        let hosts: Vec<HostPlan> =
            self.hosts.into_iter().map(WireHost::into_host).collect::<Result<_, _>>()?;
        let names: BTreeSet<&HostName> = hosts.iter().map(|host| &host.host).collect();
        let in_waves: BTreeSet<&HostName> = waves.iter().flatten().collect();
        let count: usize = waves.iter().map(Vec::len).sum();
        if names.len() != hosts.len() || names != in_waves || count != hosts.len() {
            return Err("expected every host once, and in one wave".to_owned());
        }
        if !hosts.windows(2).all(|pair| pair[0].host < pair[1].host) {
            return Err("expected hosts sorted by name".to_owned());
        }
        Ok(Plan { deploy: self.deploy, hosts, waves })
    }
}

impl WireHost {
    fn from_host(host: &HostPlan) -> Self {
        Self {
            client: host.client.to_string(),
            host: host.host.to_string(),
            facts_at: host.facts_at,
            fact_passes: host.fact_passes,
            steps: host.steps.iter().map(WireStep::from_step).collect(),
        }
    }

    fn into_host(self) -> Result<HostPlan, String> {
        let steps: Vec<Step> = self.steps.into_iter().map(WireStep::into_step).collect::<Result<_, _>>()?;
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

impl WireStep {
    fn from_step(step: &Step) -> Self {
        let probe = |probe: &Probe| WireProbe {
            script: probe.script.clone(),
            before: probe.before.clone(),
            after: probe.after.clone(),
        };
        Self {
            operation: step.operation.clone(),
            subject: step.subject.clone(),
            place: WirePlace::from_place(&step.place),
            change: match step.change {
                Change::None => WireChange::None,
                Change::Certain => WireChange::Certain,
                Change::Undecided => WireChange::Undecided,
            },
            diff: step.diff.iter().map(WireLine::from_line).collect(),
            probe: step.probe.as_ref().map(probe),
            action: step.action.clone(),
            bodies: step
                .bodies
                .iter()
                .map(|body| body.0.iter().map(WirePiece::from_piece).collect())
                .collect(),
            when_changed: match &step.condition {
                Condition::Always => None,
                Condition::AnyChanged(sources) => Some(sources.clone()),
            },
            handler: step.is_handler,
            risks: step.risks.iter().map(|risk| risk.as_str().to_owned()).collect(),
            time_limit_ms: u64::try_from(step.time_limit.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn into_step(self) -> Result<Step, String> {
        let body = |pieces: Vec<WirePiece>| {
            pieces.into_iter().map(WirePiece::into_piece).collect::<Result<Vec<_>, String>>().map(Content)
        };
        let risk = |word: &String| Risk::parse(word).ok_or_else(|| format!("`{word}` is no risk"));
        Ok(Step {
            operation: self.operation,
            subject: self.subject,
            place: self.place.into_place()?,
            change: match self.change {
                WireChange::None => Change::None,
                WireChange::Certain => Change::Certain,
                WireChange::Undecided => Change::Undecided,
            },
            diff: self.diff.into_iter().map(WireLine::into_line).collect(),
            probe: self.probe.map(|it| Probe { script: it.script, before: it.before, after: it.after }),
            action: self.action,
            bodies: self.bodies.into_iter().map(body).collect::<Result<_, _>>()?,
            condition: self.when_changed.map_or(Condition::Always, Condition::AnyChanged),
            is_handler: self.handler,
            risks: self.risks.iter().map(risk).collect::<Result<_, _>>()?,
            time_limit: Duration::from_millis(self.time_limit_ms),
        })
    }
}

impl WireLine {
    fn from_line(line: &DiffLine) -> Self {
        match line {
            DiffLine::Same(text) => Self::Same(text.clone()),
            DiffLine::Removed(text) => Self::Removed(text.clone()),
            DiffLine::Added(text) => Self::Added(text.clone()),
        }
    }

    fn into_line(self) -> DiffLine {
        match self {
            Self::Same(text) => DiffLine::Same(text),
            Self::Removed(text) => DiffLine::Removed(text),
            Self::Added(text) => DiffLine::Added(text),
        }
    }
}

impl WirePiece {
    fn from_piece(piece: &ContentPiece) -> Self {
        match piece {
            ContentPiece::Plain(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::Text(text.to_owned()),
                Err(_) => Self::Base64(STANDARD.encode(bytes)),
            },
            ContentPiece::Secret(secret) => {
                Self::Secret { name: secret.name.clone(), version: secret.version.clone() }
            }
        }
    }

    fn into_piece(self) -> Result<ContentPiece, String> {
        Ok(match self {
            Self::Text(text) => ContentPiece::Plain(text.into_bytes()),
            Self::Base64(text) => {
                ContentPiece::Plain(STANDARD.decode(text).map_err(|error| format!("a body: {error}"))?)
            }
            Self::Secret { name, version } => ContentPiece::Secret(SecretVersion { name, version }),
        })
    }
}

impl WirePlace {
    fn from_place(place: &Place) -> Self {
        match place.clone() {
            Place::File { path } => Self::File { path },
            Place::Spot { path, line, column } => Self::Spot { path, line, column },
            Place::Host { host, part } => Self::Host { host: host.to_string(), part },
            Place::Feed { feed, part } => Self::Feed { feed, part },
            Place::Nowhere => Self::Nowhere,
        }
    }

    fn into_place(self) -> Result<Place, String> {
        Ok(match self {
            Self::File { path } => Place::File { path },
            Self::Spot { path, line, column } => Place::Spot { path, line, column },
            Self::Host { host: name, part } => Place::Host { host: host(&name)?, part },
            Self::Feed { feed, part } => Place::Feed { feed, part },
            Self::Nowhere => Place::Nowhere,
        })
    }
}

fn host(name: &str) -> Result<HostName, String> {
    HostName::new(name).map_err(|error| error.to_string())
}
