//! EPSS: for each CVE the probability that it is exploited within 30 days, CSV
//! (format: first.org/epss/data_stats; the file is published as `.csv.gz`).
//!
//! ```text
//! #model_version:v2025.03.14,score_date:2025-05-01T12:55:00Z
//! cve,epss,percentile
//! CVE-1999-0005,0.91963,0.99030
//! ```

use std::collections::BTreeMap;

use jiff::civil::Date;
use model::{Code, ExploitScore, Share, VulnerabilityId};

use crate::snapshot::{Document, Parsed, feed};

/// The line that names the columns.
const HEADER: &str = "cve,epss,percentile";

/// The longest CVE id, in bytes: the year and 19 digits of a number (CVE's JSON schema).
const CVE_BYTES_MAX: usize = "CVE-YYYY-".len() + 19;

/// Parses score files. Of several files the one with the latest date counts, alone: scores of two days
/// are two different forecasts.
pub(crate) fn parse(documents: &[Document]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut newest: Option<Scores> = None;
    for document in documents {
        match parse_document(document, &mut parsed) {
            Ok(scores) => {
                if newest.as_ref().is_none_or(|known| known.scored_on < scores.scored_on) {
                    newest = Some(scores);
                }
            }
            Err(message) => parsed.problem(Code::FeedUnreadable, feed::EPSS, &document.label, message),
        }
    }
    if let Some(newest) = newest {
        parsed.scored_on = newest.scored_on;
        parsed.scores = newest.scores.into_values().collect();
    }
    parsed
}

/// Says whether a document starts as a score file does.
pub(crate) fn is_scores(bytes: &[u8]) -> bool {
    bytes.starts_with(b"#model_version:") || bytes.starts_with(HEADER.as_bytes())
}

struct Scores {
    scored_on: Option<Date>,
    scores: BTreeMap<String, ExploitScore>,
}

fn parse_document(document: &Document, parsed: &mut Parsed) -> Result<Scores, String> {
    let text = std::str::from_utf8(&document.bytes).map_err(|error| format!("not a score file: {error}"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Half a line looks like a line: `0.9` was perhaps `0.97123`.
    if !text.ends_with('\n') {
        return Err("the file is cut short: its last line has no end".to_owned());
    }
    let mut lines = text.lines().enumerate();
    let mut scored_on = None;
    let mut header = lines.next();
    if let Some((_, about)) = header.filter(|(_, line)| line.starts_with('#')) {
        scored_on = score_date(about);
        header = lines.next();
    }
    if header.is_none_or(|(_, line)| line.trim_end() != HEADER) {
        return Err(format!("expected a line `{HEADER}` at the top"));
    }
    let mut scores = BTreeMap::new();
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        match parse_line(line.trim_end()) {
            // Of two lines about one CVE the first counts.
            Some(score) => drop(scores.entry(score.id.as_str().to_owned()).or_insert(score)),
            None => {
                let part = format!("{}, line {}", document.label, number + 1);
                let message = format!("expected `CVE-YYYY-NNNN,0.01234,0.12345`, got `{line}`");
                parsed.problem(Code::FeedEntryInvalid, feed::EPSS, part, message);
            }
        }
    }
    Ok(Scores { scored_on, scores })
}

/// Reads the day of `#model_version:v2025.03.14,score_date:2025-05-01T12:55:00Z`.
fn score_date(line: &str) -> Option<Date> {
    let (_, date) = line.split_once("score_date:")?;
    date.trim_start().get(.."YYYY-MM-DD".len())?.parse().ok()
}

fn parse_line(line: &str) -> Option<ExploitScore> {
    let mut cells = line.split(',').map(str::trim);
    let (id, probability, percentile) = (cells.next()?, cells.next()?, cells.next()?);
    let id = VulnerabilityId::new(id.to_ascii_uppercase());
    if !id.is_cve() || id.as_str().len() > CVE_BYTES_MAX {
        return None;
    }
    Some(ExploitScore { id, probability: Share::parse(probability)?, percentile: Share::parse(percentile)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(texts: &[&str]) -> Parsed {
        let document =
            |text: &&str| Document { label: "epss.csv".to_owned(), bytes: text.as_bytes().to_vec() };
        parse(&texts.iter().map(document).collect::<Vec<_>>())
    }

    #[track_caller]
    fn check(texts: &[&str], expected: &[(&str, u32, u32)], scored_on: Option<&str>, problems: usize) {
        let parsed = parsed(texts);
        let shown: Vec<_> = parsed
            .scores
            .iter()
            .map(|it| (it.id.as_str(), it.probability.millionths(), it.percentile.millionths()))
            .collect();
        assert_eq!(shown, expected, "{texts:?}");
        assert_eq!(parsed.scored_on.map(|it| it.to_string()).as_deref(), scored_on, "{texts:?}");
        assert_eq!(parsed.problems.len(), problems, "{:?}", parsed.problems);
    }

    #[test]
    fn lines_are_read_one_by_one() {
        let head = "#model_version:v2025.03.14,score_date:2025-05-01T12:55:00Z\ncve,epss,percentile\n";
        let lines = "CVE-2024-2,0.5,0.75\r\nCVE-2024-1,9e-05,1\nCVE-2024-2,0.1,0.1\n\nx,0.1,0.1\nCVE-2024-3,1.5,0.1\nCVE-2024-4\n";
        check(
            &[&format!("{head}{lines}")],
            &[("CVE-2024-1", 90, 1_000_000), ("CVE-2024-2", 500_000, 750_000)],
            Some("2025-05-01"),
            3,
        );
        check(&["cve,epss,percentile\nCVE-2024-1,0.1,0.2\n"], &[("CVE-2024-1", 100_000, 200_000)], None, 0);
        check(&[head], &[], Some("2025-05-01"), 0);
    }

    #[test]
    fn what_is_cut_or_something_else_is_no_score_file() {
        check(&["cve,epss,percentile\nCVE-2024-1,0.1,0.2"], &[], None, 1);
        check(&["#model_version:1,score_date:x\n"], &[], None, 1);
        check(&["<html>\n"], &[], None, 1);
        check(&[""], &[], None, 1);
    }

    #[test]
    fn the_newest_forecast_counts_alone() {
        let day = |day: u8, id: u8| {
            format!(
                "#model_version:v1,score_date:2025-05-0{day}T00:00:00+0000\ncve,epss,percentile\nCVE-2024-{id},0.1,0.2\n"
            )
        };
        let expected = [("CVE-2024-2", 100_000, 200_000)];
        check(&[&day(1, 1), &day(2, 2)], &expected, Some("2025-05-02"), 0);
        check(&[&day(2, 2), &day(1, 1)], &expected, Some("2025-05-02"), 0);
    }
}
