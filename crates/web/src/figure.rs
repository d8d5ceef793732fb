//! Figures as inline SVG. What a figure shows stands below it in a table, too: for those who cannot see it, and on paper.

use control::report::{Block, Spans, Table, Trend, figure_table, harmless};
use jiff::Timestamp;
use maud::{Markup, html};

use crate::report::table_of;

/// The width of a figure, in its own units.
const WIDTH: f64 = 720.0;
/// Room for the labels at the left of the bars.
const LABEL: f64 = 170.0;
/// Room for the words at the right of the bars.
const WORDS: f64 = 200.0;
/// Room for the names at the right of a trend's lines.
const NAME: f64 = 150.0;
/// The height of one bar with its gap.
const ROW: f64 = 22.0;
/// The narrowest bar: what took a moment is still seen.
const BAR_MIN: f64 = 2.0;
/// The height of a trend.
const TREND: f64 = 180.0;
/// Room around a trend: at the left for numbers, below for days.
const AXIS: f64 = 44.0;
/// Characters of a label in a figure; the table has all of them.
const LABEL_CHARACTERS_MAX: usize = 24;

/// Draws spans of time as bars on one scale.
pub(crate) fn spans(spans: &Spans) -> Markup {
    let begin = spans.rows.iter().map(|span| span.from).min();
    let end = spans.rows.iter().map(|span| span.until).max();
    let (Some(begin), Some(end)) = (begin, end) else { return html! {} };
    let all = seconds(begin, end).max(1.0);
    let room = WIDTH - LABEL - WORDS;
    let place = |at: Timestamp| LABEL + seconds(begin, at) / all * room;
    let rows = (0_u16..).zip(&spans.rows).map(|(row, span)| {
        let (from, until) = (place(span.from), place(span.until));
        let width = (until - from).max(BAR_MIN);
        let top = f64::from(row) * ROW;
        (span, from, width, top)
    });
    let height = ROW * f64::from(u16::try_from(spans.rows.len()).unwrap_or(u16::MAX));
    html! {
        figure {
            figcaption { (harmless(&spans.caption)) }
            svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(harmless(&spans.caption)) {
                @for (span, from, width, top) in rows {
                    text.label x=(round(LABEL - 8.0)) y=(round(top + 15.0)) { (short(&span.label)) }
                    rect.bar x=(round(from)) y=(round(top + 4.0)) width=(round(width)) height="14" rx="2" {}
                    text.words x=(round(from + width + 6.0)) y=(round(top + 15.0)) { (harmless(&span.words)) }
                }
            }
        }
        (details(&Block::Spans(spans.clone())))
    }
}

/// Draws numbers over time as lines; each has a name at its end and a dash of its own.
pub(crate) fn trend(trend: &Trend) -> Markup {
    let (Some((begin, _)), Some((end, _))) = (trend.points.first(), trend.points.last()) else {
        return html! {};
    };
    let most = trend.points.iter().flat_map(|(_, numbers)| numbers).copied().max().unwrap_or(0);
    let top = ceiling(most);
    let all = seconds(*begin, *end).max(1.0);
    let room = WIDTH - AXIS - NAME;
    let x = |at: Timestamp| AXIS + seconds(*begin, at) / all * room;
    let y = |number: usize| 10.0 + (TREND - 10.0) * (1.0 - real(number) / real(top));
    let line = |at: usize| {
        let points =
            trend.points.iter().filter_map(|(moment, numbers)| Some((x(*moment), y(*numbers.get(at)?))));
        points.map(|(x, y)| format!("{},{}", round(x), round(y))).collect::<Vec<_>>().join(" ")
    };
    let last = |at: usize| trend.points.last().and_then(|(_, numbers)| numbers.get(at)).copied().unwrap_or(0);
    html! {
        figure {
            figcaption { (harmless(&trend.caption)) }
            svg viewBox=(format!("0 0 {WIDTH} {}", TREND + 30.0)) role="img" aria-label=(harmless(&trend.caption)) {
                @for part in [0, top / 2, top] {
                    line.grid x1=(round(AXIS)) x2=(round(AXIS + room)) y1=(round(y(part))) y2=(round(y(part))) {}
                    text.label x=(round(AXIS - 8.0)) y=(round(y(part) + 4.0)) { (part) }
                }
                @for (moment, anchor) in [(*begin, "start"), (*end, "end")] {
                    text.day x=(round(x(moment))) y=(round(TREND + 22.0)) text-anchor=(anchor) {
                        (moment.strftime("%Y-%m-%d").to_string())
                    }
                }
                @for (at, name) in trend.lines.iter().enumerate() {
                    polyline class=(format!("line line-{}", at % 3)) points=(line(at)) {}
                    text.words x=(round(AXIS + room + 8.0)) y=(round(y(last(at)) + 4.0)) {
                        (harmless(name)) ": " (last(at))
                    }
                }
            }
        }
        (details(&Block::Trend(trend.clone())))
    }
}

fn details(block: &Block) -> Markup {
    let Some(table) = figure_table(block) else { return html! {} };
    let table: &Table = &table;
    html! { details { summary { "The numbers" } (table_of(table, false)) } }
}

/// Returns a round number that is at least this, and not much more; its half is a whole number, too.
fn ceiling(number: usize) -> usize {
    /// Steps on a scale, at most.
    const STEPS_MAX: usize = 6;
    let mut unit = 1_usize;
    loop {
        for step in [2, 4, 10].map(|step: usize| step.saturating_mul(unit)) {
            if step.saturating_mul(STEPS_MAX) >= number {
                return number.max(1).div_ceil(step).saturating_mul(step);
            }
        }
        unit = unit.saturating_mul(10);
    }
}

fn seconds(from: Timestamp, until: Timestamp) -> f64 {
    until.duration_since(from).as_secs_f64().max(0.0)
}

fn real(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn round(number: f64) -> String {
    format!("{number:.1}")
}

fn short(label: &str) -> String {
    let label = harmless(label);
    match label.char_indices().nth(LABEL_CHARACTERS_MAX) {
        Some((at, _)) => format!("{}…", &label[..at]),
        None => label,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number() {
        for (number, expected) in
            [(0, 2), (1, 2), (3, 4), (19, 20), (21, 24), (96, 100), (212, 240), (1234, 1600)]
        {
            assert_eq!(ceiling(number), expected, "{number}");
        }
    }
}
