//! Problems as JSON in a column.

use model::{Code, HostName, Level, Place, Problem};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct ProblemText {
    code: String,
    level: String,
    place: PlaceText,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PlaceText {
    File { path: String },
    Spot { path: String, line: usize, column: usize },
    Host { host: String, part: String },
    Feed { feed: String, part: String },
    Nowhere,
}

/// Writes problems as JSON.
pub(crate) fn write_problems(problems: &[Problem]) -> String {
    let wire: Vec<ProblemText> = problems.iter().map(problem_text).collect();
    serde_json::to_string(&wire).expect("invariant: strings and numbers have a JSON form")
}

/// Reads what [`write_problems`] wrote; the error says what is wrong with the text.
pub(crate) fn read_problems(text: &str) -> Result<Vec<Problem>, String> {
    let wire: Vec<ProblemText> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    wire.into_iter().map(problem).collect()
}

fn problem_text(problem: &Problem) -> ProblemText {
    ProblemText {
        code: problem.code.as_str().to_owned(),
        level: problem.level.as_str().to_owned(),
        place: match problem.place.clone() {
            Place::File { path } => PlaceText::File { path },
            Place::Spot { path, line, column } => PlaceText::Spot { path, line, column },
            Place::Host { host, part } => PlaceText::Host { host: host.to_string(), part },
            Place::Feed { feed, part } => PlaceText::Feed { feed, part },
            Place::Nowhere => PlaceText::Nowhere,
        },
        message: problem.message.clone(),
        hint: problem.hint.clone(),
    }
}

fn problem(wire: ProblemText) -> Result<Problem, String> {
    let code = Code::ALL.iter().find(|code| code.as_str() == wire.code);
    let level = [Level::Warning, Level::Error].into_iter().find(|level| level.as_str() == wire.level);
    Ok(Problem {
        code: *code.ok_or_else(|| format!("problem code `{}` is not known", wire.code))?,
        level: level.ok_or_else(|| format!("problem level `{}` is not known", wire.level))?,
        place: match wire.place {
            PlaceText::File { path } => Place::File { path },
            PlaceText::Spot { path, line, column } => Place::Spot { path, line, column },
            PlaceText::Host { host, part } => {
                let host = HostName::new(&host).map_err(|error| error.to_string())?;
                Place::Host { host, part }
            }
            PlaceText::Feed { feed, part } => Place::Feed { feed, part },
            PlaceText::Nowhere => Place::Nowhere,
        },
        message: wire.message,
        hint: wire.hint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_place_comes_back() {
        let host = HostName::new("lb-1").expect("valid");
        let places = [
            Place::File { path: "a.star".to_owned() },
            Place::Spot { path: "a.star".to_owned(), line: 3, column: 7 },
            Place::Host { host, part: "packages \u{1b}[31m\0\"".to_owned() },
            Place::Feed { feed: "osv".to_owned(), part: String::new() },
            Place::Nowhere,
        ];
        let problem = |(code, place): (&Code, &Place)| Problem::new(*code, place.clone(), "it broke");
        let problems: Vec<_> = Code::ALL.iter().zip(places.iter().cycle()).map(problem).collect();
        let mut hinted = problems.clone();
        hinted.push(problems[0].clone().with_hint("mend it"));
        assert_eq!(read_problems(&write_problems(&hinted)), Ok(hinted));
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        for bad in ["", "{}", "[{}]", r#"[{"code":"x.y","level":"error","place":"nowhere","message":""}]"#] {
            assert!(read_problems(bad).is_err(), "{bad}");
        }
    }
}
