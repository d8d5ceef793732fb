//! `ifrit report`: what a client gets to read of an incident, and how things stand.
//!
//! A report is a value first ([`IncidentReport`], [`PostureReport`]), which is its JSON; then a [`Document`] in words,
//! which becomes text and Markdown here and HTML in the room `web`. Who reads what is decided in one place, when the
//! value is made.

mod actions;
mod compose;
mod document;
mod incident;
mod incident_words;
mod markdown;
mod notes;
mod posture;
mod read;
mod redaction;
mod summary;
mod text;
mod timeline;
mod words;

#[cfg(test)]
mod tests;

pub use compose::View;
pub use document::{
    Block, Cell, Document, Figure, NOTHING, Section, Span, Spans, Table, Tone, Trend, figure_table, harmless,
};
pub use incident::{
    ActionReport, Audience, CheckpointReport, ClockReport, DeadlineReport, EvidenceReport, ExceptionReport,
    FindingReport, HostOutcome, HostReport, IncidentReport, InternalReport, PlanReport, RunReport,
    TimelineRow,
};
pub use markdown::render as render_markdown;
pub use posture::{
    AgeRow, ClientRow, DriftRow, ExceptionRow, LateRow, OpenCounts, PostureQuery, PostureReport, TimeRow,
    TimeToFix, TrendPoint, posture,
};
pub use read::{incident, record_report};
pub use text::render as render_text;
