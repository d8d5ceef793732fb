//! Operations that are one question, the answers that are wanted, and what brings one about; and those
//! that are a whole file, or none.

use std::marker::PhantomData;
use std::time::Duration;

use model::{Content, DiffLine, Risk};

use super::whole_file::{WholeFile, path_risks, refuse_other_kinds};
use super::{Area, Decision, Operation, TIME_LIMIT};
use crate::deploy::Asked;
use crate::facts::Question;
use crate::sh::{self, Script};

/// The name of an operation.
pub(super) trait Named {
    /// `files.move`.
    const NAME: &'static str;
}

/// One question, the answers that are wanted, and what brings one about.
pub(super) struct Goal<N> {
    subject: String,
    /// `None` = its state cannot be told, and it is done every time.
    question: Option<Question>,
    /// The first is what the action brings about; the others will do as well. None at all: it cannot be
    /// told beforehand.
    after: Vec<String>,
    refused: Vec<(&'static str, String)>,
    action: Script,
    bodies: Vec<Content>,
    touches: Vec<Area>,
    depends: Vec<Area>,
    risks: Vec<Risk>,
    time_limit: Duration,
    /// What a person is shown in place of the two states.
    shown: Option<Vec<DiffLine>>,
    name: PhantomData<N>,
}

impl<N: Named> Goal<N> {
    /// What is done, and to what.
    pub(super) fn new(subject: impl Into<String>, action: Script) -> Self {
        Self {
            subject: subject.into(),
            question: None,
            after: Vec::new(),
            refused: Vec::new(),
            action,
            bodies: Vec::new(),
            touches: Vec::new(),
            depends: Vec::new(),
            risks: Vec::new(),
            time_limit: TIME_LIMIT,
            shown: None,
            name: PhantomData,
        }
    }

    /// What is asked, and the answers that are wanted.
    #[must_use]
    pub(super) fn asks<A: Into<String>>(
        mut self,
        question: Question,
        after: impl IntoIterator<Item = A>,
    ) -> Self {
        self.question = Some(question);
        self.after = after.into_iter().map(Into::into).collect();
        self
    }

    /// How a state begins that it does not change, and why.
    #[must_use]
    pub(super) fn refuses(mut self, before: &'static str, why: impl Into<String>) -> Self {
        self.refused.push((before, why.into()));
        self
    }

    /// What the action reads.
    #[must_use]
    pub(super) fn with_bodies(mut self, bodies: Vec<Content>) -> Self {
        self.bodies = bodies;
        self
    }

    /// What it may change; its answer depends on the same.
    #[must_use]
    pub(super) fn touches(mut self, areas: impl IntoIterator<Item = Area>) -> Self {
        self.touches = areas.into_iter().collect();
        self.depends.clone_from(&self.touches);
        self
    }

    /// What its answer depends on, where that is not just what it changes.
    #[must_use]
    pub(super) fn depends(mut self, areas: impl IntoIterator<Item = Area>) -> Self {
        self.depends = areas.into_iter().collect();
        self
    }

    /// What may go wrong.
    #[must_use]
    pub(super) fn risks(mut self, risks: impl IntoIterator<Item = Risk>) -> Self {
        self.risks = risks.into_iter().collect();
        self
    }

    /// What a person is shown in place of the two states.
    #[must_use]
    pub(super) fn shows(mut self, lines: Vec<DiffLine>) -> Self {
        self.shown = Some(lines);
        self
    }

    /// How long it may take.
    #[must_use]
    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }
}

impl<N: Named> Operation for Goal<N> {
    const NAME: &'static str = N::NAME;

    fn subject(&self) -> String {
        self.subject.clone()
    }

    fn questions(&self) -> Vec<Question> {
        self.question.iter().cloned().collect()
    }

    fn touches(&self) -> Vec<Area> {
        self.touches.clone()
    }

    fn depends(&self) -> Vec<Area> {
        self.depends.clone()
    }

    fn risks(&self) -> Vec<Risk> {
        self.risks.clone()
    }

    fn time_limit(&self) -> Duration {
        self.time_limit
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let decision = match &self.question {
            None => Decision::always(self.action.clone()),
            Some(question) => {
                let before = asked.map(|asked| asked.said(question)).transpose()?.flatten();
                let is_refused = |state: &str| before.as_ref().is_some_and(|text| text.starts_with(state));
                let refused = self.refused.iter().find(|(state, _)| is_refused(state));
                if let Some((_, why)) = refused {
                    return Err(why.clone());
                }
                let is_there = |after: &&String| before.as_ref() == Some(*after);
                let after = self.after.iter().find(is_there).or(self.after.first());
                let is_open = self.after.is_empty() || (before.is_none() && self.after.len() > 1);
                let after = after.cloned().unwrap_or_default();
                let decision = Decision::from_to(question.clone(), before, after, self.action.clone());
                if is_open { decision.without_after() } else { decision }
            }
        };
        let decision = match &self.shown {
            Some(lines) => decision.with_diff(lines.clone()),
            None => decision,
        };
        Ok(self.bodies.iter().cloned().fold(decision, Decision::with_body))
    }
}

/// A whole file, or that there is none.
pub(super) enum Managed<N> {
    /// The file.
    There(WholeFile),
    /// It is to go.
    Gone(Goal<N>),
}

impl<N: Named> Managed<N> {
    /// That there is no file at a path.
    pub(super) fn gone(path: &str) -> Self {
        let question = Question::new(&sh::FILE_STATE, [path, ""]);
        let goal = Goal::new(path, Script::call(&sh::REMOVE_PATH, &[path, "file"]));
        Self::Gone(goal.asks(question, ["absent"]).touches([Area::Entry(path.to_owned())]))
    }

    fn path(&self) -> &str {
        match self {
            Self::There(file) => file.path(),
            Self::Gone(goal) => &goal.subject,
        }
    }
}

impl<N: Named> Operation for Managed<N> {
    const NAME: &'static str = N::NAME;

    fn subject(&self) -> String {
        self.path().to_owned()
    }

    fn questions(&self) -> Vec<Question> {
        match self {
            Self::There(file) => file.questions(),
            Self::Gone(goal) => goal.questions(),
        }
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Entry(self.path().to_owned())]
    }

    fn risks(&self) -> Vec<Risk> {
        path_risks(self.path())
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        match self {
            Self::There(file) => file.decide(asked),
            Self::Gone(goal) => {
                let decision = goal.decide(asked)?;
                let before = decision.probe.as_ref().and_then(|probe| probe.before.as_deref());
                refuse_other_kinds(&goal.subject, before, "file")?;
                Ok(decision)
            }
        }
    }
}
