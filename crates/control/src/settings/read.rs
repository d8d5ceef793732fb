//! Reads `ifrit.toml`: every fault is reported with its line and column, and the rest still counts.

use std::ops::Range;

use model::{Code, Place, Problem};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{DEFINITIONS, Definition, Kind, Origin, Settings, Value, notify};

/// Names that are this unlike are not suggested (Jaro-Winkler, 0 to 1).
const SUGGESTION_LIKENESS_MIN: f64 = 0.75;

/// Reads the text of an `ifrit.toml`. Keys at fault keep their default and are named in the problems.
pub fn read(text: &str, path: &str) -> (Settings, Vec<Problem>) {
    let mut reader = Reader { text, path, settings: Settings::default(), problems: Vec::new() };
    let (table, faults) = DeTable::parse_recoverable(text);
    for fault in faults {
        let place = reader.place(fault.span().unwrap_or(0..0));
        reader.problems.push(Problem::new(Code::ConfigSyntax, place, one_line(fault.message())));
    }
    let is_broken = !reader.problems.is_empty();
    reader.settings.has_hiding_fault = is_broken;
    reader.table("", table.get_ref());
    // What a broken file seems to say about keys is guesswork: only its syntax is worth reporting.
    reader.problems.retain(|problem| !is_broken || problem.code == Code::ConfigSyntax);
    reader.problems.sort_by(|a, b| a.place.cmp(&b.place));
    (reader.settings, reader.problems)
}

struct Reader<'a> {
    text: &'a str,
    path: &'a str,
    settings: Settings,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, section: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let full = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
            if let Some(definition) = DEFINITIONS.iter().find(|definition| definition.key == full) {
                self.entry(definition, key.span(), value);
            } else if let (true, DeValue::Table(inner)) = (is_section(&full), value.get_ref()) {
                self.table(&full, inner);
            } else if let (notify::SECTION, DeValue::Table(channels)) = (full.as_str(), value.get_ref()) {
                self.channels(channels);
            } else {
                self.unknown(&full, key.span());
            }
        }
    }

    fn channels(&mut self, table: &DeTable<'_>) {
        let (channels, faults) = notify::read(table);
        for (offset, channel) in channels {
            let (line, _) = self.line_and_column(offset);
            self.settings.channels.push(notify::ChannelSettings { line, ..channel });
        }
        for fault in faults {
            let code = if fault.is_unknown_key { Code::ConfigUnknownKey } else { Code::ConfigInvalidValue };
            let mut problem = Problem::new(code, self.place(fault.offset..fault.offset), fault.message);
            problem.hint = fault.hint;
            self.problems.push(problem);
        }
    }

    fn entry(
        &mut self,
        definition: &'static Definition,
        key_span: Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) {
        match convert(definition.kind, value.get_ref()) {
            Some(converted) => {
                let (line, _) = self.line_and_column(key_span.start);
                self.settings.set(definition.key, converted, Origin::File { line });
            }
            None => {
                self.settings.has_hiding_fault |= definition.key == "database";
                let given = one_line(self.text.get(value.span()).unwrap_or_default());
                let message =
                    format!("`{}` takes {}, got {given}", definition.key, definition.kind.expectation());
                let place = self.place(value.span());
                self.problems.push(Problem::new(Code::ConfigInvalidValue, place, message));
            }
        }
    }

    fn unknown(&mut self, key: &str, span: Range<usize>) {
        self.settings.has_hiding_fault |= !key.contains('.');
        let place = self.place(span);
        let mut problem = Problem::new(Code::ConfigUnknownKey, place, format!("unknown key `{key}`"));
        problem = match suggestion(key) {
            Some(known) => problem.with_hint(format!("did you mean `{known}`?")),
            None => problem.with_hint("`ifrit config show` lists every key"),
        };
        self.problems.push(problem);
    }

    fn place(&self, span: Range<usize>) -> Place {
        let (line, column) = self.line_and_column(span.start);
        Place::Spot { path: self.path.to_owned(), line, column }
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |position| position + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

fn is_section(name: &str) -> bool {
    DEFINITIONS.iter().any(|definition| definition.section_and_key().0 == name)
}

fn convert(kind: Kind, value: &DeValue<'_>) -> Option<Value> {
    match (kind, value) {
        (Kind::Text, DeValue::String(text)) if !text.trim().is_empty() => Some(Value::Text(text.to_string())),
        (Kind::OneOf(words), DeValue::String(text)) if words.contains(&text.as_ref()) => {
            Some(Value::Text(text.to_string()))
        }
        (Kind::Texts, DeValue::Array(items)) => {
            let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            };
            items.iter().map(text).collect::<Option<_>>().map(Value::Texts)
        }
        (Kind::Switch, DeValue::Boolean(is_on)) => Some(Value::Switch(*is_on)),
        (Kind::Whole { min, max }, DeValue::Integer(digits)) => {
            let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok()?;
            (min..=max).contains(&number).then_some(Value::Whole(number))
        }
        _ => None,
    }
}

fn suggestion(key: &str) -> Option<&'static str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness =
        |known: &str| strsim::jaro_winkler(known, key).max(strsim::jaro_winkler(&last(known), &last(key)));
    let best = DEFINITIONS.iter().map(|it| it.key).max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= SUGGESTION_LIKENESS_MIN).then_some(best)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::render_template;

    fn check(text: &str, expected: &[&str]) -> Settings {
        let (settings, problems) = read(text, "ifrit.toml");
        let shown: Vec<_> = problems
            .iter()
            .map(|it| {
                format!("{it}{}", it.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())
            })
            .collect();
        assert_eq!(shown, expected, "{text}");
        settings
    }

    #[test]
    fn values_are_read_with_their_origin() {
        let settings = check("database = \"x.db\"\n\n[ssh]\nparallel = 5\nidentities = [\"a\"]\n", &[]);
        assert_eq!((settings.database(), settings.ssh_parallel()), ("x.db", 5));
        let origin =
            |key| settings.entries().iter().find(|it| it.definition.key == key).expect(key).origin.clone();
        assert_eq!(origin("ssh.parallel"), Origin::File { line: 4 });
        assert_eq!(origin("ssh.user"), Origin::Default);
    }

    #[test]
    fn faults_have_a_place_and_the_rest_counts() {
        let settings = check(
            "databse = \"x.db\"\n[ssh]\nparalel = 5\nuser = 7\nparallel = 0\nagent = false\n",
            &[
                "ifrit.toml:1:1: error[config.unknown-key]: unknown key `databse` (did you mean `database`?)",
                "ifrit.toml:3:1: error[config.unknown-key]: unknown key `ssh.paralel` (did you mean `ssh.parallel`?)",
                "ifrit.toml:4:8: error[config.invalid-value]: `ssh.user` takes a text that is not empty, got 7",
                "ifrit.toml:5:12: error[config.invalid-value]: `ssh.parallel` takes a whole number from 1 to 1000, got 0",
            ],
        );
        assert!(!settings.ssh_uses_agent());
        assert_eq!(settings.ssh_parallel(), 64);
    }

    #[test]
    fn channels_are_read_and_faulty_ones_left_out() {
        let settings = check(
            "[notify.team]\nkind = \"ntfy\"\nurl = \"https://ntfy.example.net/t\"\ntoken_file = \"t\"\n\
             [notify.acme]\nkind = \"mail\"\nsmtp = \"smtp://mail\"\nfrom = \"a@b\"\nto = [\"c@d\"]\nonly = \"urgent\"\n\
             clients = [\"acme\"]\n",
            &[],
        );
        let names: Vec<_> = settings.channels().iter().map(|it| (it.name.as_str(), it.line)).collect();
        assert_eq!(names, [("acme", 5), ("team", 1)]);
        assert!(settings.channels()[0].is_urgent_only && settings.channels()[0].clients.len() == 1);
        let settings = check(
            "[notify.a]\nkind = \"pager\"\n[notify.b]\nkind = \"ntfy\"\n[notify.c]\nkind = \"webhook\"\nurl = \"x\"\n\
             secret_env = \"X\"\nsecret_file = \"y\"\n[notify.d]\nkind = \"ntfy\"\nurl = \"x\"\ntoken = \"hush\"\nsmtp = \"y\"\n\
             [notify.e]\nkind = \"ntfy\"\nurl = \"x\"\n",
            &[
                "ifrit.toml:2:1: error[config.invalid-value]: `notify.a.kind` takes `ntfy`, `webhook` or `mail`, got `pager`",
                "ifrit.toml:3:9: error[config.invalid-value]: `notify.b.url` is missing",
                "ifrit.toml:8:1: error[config.invalid-value]: `notify.c.secret_file` and `notify.c.secret_env` exclude each other",
                "ifrit.toml:13:1: error[config.unknown-key]: unknown key `notify.d.token` (a channel has kind, only, clients, url, \
                 token_file, token_env, secret_file, secret_env, smtp, from, to, user, password_file, password_env)",
                "ifrit.toml:14:1: error[config.invalid-value]: `notify.d.smtp` means nothing for this kind of channel",
            ],
        );
        assert_eq!(settings.channels().len(), 1, "the sound one counts");
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let (_, problems) = read("database = \n[ssh\n", "ifrit.toml");
        assert!(problems.iter().all(|it| it.code == Code::ConfigSyntax), "{problems:?}");
        assert!(matches!(problems[0].place, Place::Spot { line: 1, .. }), "{problems:?}");
    }

    #[test]
    fn the_template_is_valid_and_says_only_defaults() {
        let is_setting = |line: &str| {
            let key = line.split(" = ").next().unwrap_or_default();
            line.contains(" = ") && DEFINITIONS.iter().any(|it| it.section_and_key().1 == key)
        };
        let uncomment =
            |line: &'static str| line.strip_prefix("# ").filter(|it| is_setting(it)).unwrap_or(line);
        let template: &'static str = render_template().leak();
        let uncommented = template.lines().map(uncomment).collect::<Vec<_>>().join("\n");
        let (settings, problems) = read(&uncommented, "ifrit.toml");
        assert_eq!(problems, [], "{uncommented}");
        let values = |it: &Settings| it.entries().iter().map(|entry| entry.value.clone()).collect::<Vec<_>>();
        assert_eq!(values(&settings), values(&Settings::default()));
        assert!(settings.entries().iter().all(|it| it.origin != Origin::Default));
        assert_eq!(check(template, &[]), Settings::default());
    }
}
