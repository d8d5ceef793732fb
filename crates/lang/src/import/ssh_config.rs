//! ssh_config(5): blocks of `Host` patterns, the first value that matches counts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use model::{Code, Problem};

use crate::import::draft::{Draft, Entry};
use crate::import::{IMPORT_HOSTS_MAX, ImportOptions, Imported};

/// The most blocks of a file. Each host is matched against each block.
const BLOCKS_MAX: usize = 20_000;
/// The most comparisons of a name with a pattern that has wildcards: hosts times such patterns.
const MATCHES_MAX: usize = 2_000_000;
/// The longest pattern or name that is compared, in bytes.
const PATTERN_BYTES_MAX: usize = 256;
/// How many hosts a comment names.
const NAMES_SHOWN_MAX: usize = 8;

/// What decides how a host is reached and has no counterpart here: it is named with each host.
const DETOURS: [&str; 2] = ["proxyjump", "proxycommand"];

/// The lines from one `Host` or `Match` to the next.
#[derive(Debug, Default)]
struct Block {
    patterns: Vec<String>,
    options: Vec<Setting>,
}

#[derive(Debug)]
struct Setting {
    keyword: String,
    arguments: Vec<String>,
}

impl Setting {
    fn first(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }

    fn is_connection(&self) -> bool {
        ["hostname", "user", "port"].iter().any(|keyword| self.keyword.eq_ignore_ascii_case(keyword))
    }

    fn is_detour(&self) -> bool {
        DETOURS.iter().any(|keyword| self.keyword.eq_ignore_ascii_case(keyword))
    }

    fn shown(&self) -> String {
        format!("{} {}", self.keyword, self.arguments.join(" "))
    }
}

/// A host of the file: its name, the line that named it first, and the names beside it there.
struct Named {
    name: String,
    line: usize,
    group: usize,
}

/// Which blocks may hold for a name, so that a file of thousands of blocks is not compared with itself.
struct Index<'b> {
    named: HashMap<&'b str, Vec<usize>>,
    wild: Vec<usize>,
}

impl<'b> Index<'b> {
    fn new(blocks: &'b [Block]) -> Self {
        let mut index = Self { named: HashMap::new(), wild: Vec::new() };
        for (at, block) in blocks.iter().enumerate() {
            if block.patterns.iter().any(|pattern| is_pattern(pattern)) {
                index.wild.push(at);
            }
            for pattern in block.patterns.iter().filter(|pattern| !is_pattern(pattern)) {
                index.named.entry(pattern).or_default().push(at);
            }
        }
        index
    }

    /// Returns them in the order of the file.
    fn candidates(&self, name: &str) -> BTreeSet<usize> {
        self.named.get(name).into_iter().flatten().chain(&self.wild).copied().collect()
    }
}

/// Reads the file.
pub(super) fn read(text: &str, options: &ImportOptions) -> (Imported, Vec<Problem>) {
    let mut draft = Draft::new(options, "ssh_config");
    let (blocks, named) = blocks(text, &mut draft);
    let index = Index::new(&blocks);
    let patterns: usize = index.wild.iter().map(|at| blocks[*at].patterns.len()).sum();
    if named.len().saturating_mul(patterns) > MATCHES_MAX {
        let message = format!(
            "{} hosts and {patterns} patterns are too many to be matched (limit: {MATCHES_MAX} pairs)",
            named.len()
        );
        draft.problem(Code::ImportLimit, 0, message, Some("split the file and import its parts"));
        return draft.finish();
    }
    let mut first: Option<(usize, String, Entry)> = None;
    let mut applied: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for host in &named {
        let (entry, used) = resolve(host, &blocks, &index, &mut draft);
        for at in used {
            applied.entry(at).or_default().push(host.name.clone());
        }
        let how = format!("{:?} {:?} {:?}", entry.address, entry.user, entry.port);
        match &mut first {
            // Several names of one line that lead to the same place are one host.
            Some((group, same, earlier))
                if *group == host.group && *same == how && entry.address.is_some() =>
            {
                earlier.comments.push(format!("also known as {}", host.name));
            }
            _ => {
                if let Some((_, _, earlier)) = first.replace((host.group, how, entry)) {
                    draft.add(earlier);
                }
            }
        }
    }
    if let Some((_, _, last)) = first {
        draft.add(last);
    }
    note_patterns(&blocks, &applied, &mut draft);
    draft.finish()
}

/// Collects what ssh would use for a host: of each setting the first value of the blocks that match.
/// Also returns the blocks with wildcards that gave something.
fn resolve(host: &Named, blocks: &[Block], index: &Index<'_>, draft: &mut Draft<'_>) -> (Entry, Vec<usize>) {
    let mut entry = Entry { name: host.name.clone(), line: host.line, ..Entry::default() };
    let mut used = Vec::new();
    let mut detour: Option<String> = None;
    let candidates = index.candidates(&host.name).into_iter().map(|at| (at, &blocks[at]));
    for (at, block) in candidates.filter(|(_, block)| matches(&block.patterns, &host.name)) {
        let is_named = block.patterns.contains(&host.name);
        if !is_named && !block.options.is_empty() {
            used.push(at);
        }
        for setting in &block.options {
            let value = setting.first();
            if setting.is_detour() {
                detour.get_or_insert_with(|| setting.shown());
            } else if setting.keyword.eq_ignore_ascii_case("hostname") {
                entry.address.get_or_insert_with(|| expand(value, &host.name));
            } else if setting.keyword.eq_ignore_ascii_case("user") {
                entry.user.get_or_insert_with(|| value.to_owned());
            } else if setting.keyword.eq_ignore_ascii_case("port") {
                entry.port.get_or_insert_with(|| value.to_owned());
            } else if is_named {
                entry.comments.push(setting.shown());
            }
        }
    }
    if let Some(detour) = detour.filter(|detour| !detour.to_ascii_lowercase().ends_with(" none")) {
        let message = format!(
            "host `{}` is reached with `{}`; ifrit connects directly",
            host.name.escape_debug(),
            detour.escape_debug()
        );
        draft.problem(Code::ImportIgnored, host.line, message, Some("it is kept as a comment"));
        entry.comments.insert(0, detour);
    }
    (entry, used)
}

/// Says what blocks with wildcards hold, once, and for whom.
fn note_patterns(blocks: &[Block], applied: &BTreeMap<usize, Vec<String>>, draft: &mut Draft<'_>) {
    for (at, block) in blocks.iter().enumerate() {
        let wild: Vec<&str> = block.patterns.iter().filter(|it| is_pattern(it)).map(String::as_str).collect();
        if wild.is_empty() || block.options.is_empty() {
            continue;
        }
        let settings: Vec<String> = block
            .options
            .iter()
            .map(|setting| {
                let fate = if setting.is_connection() { "taken over" } else { "not carried over" };
                format!("{} ({fate})", setting.shown())
            })
            .collect();
        let hosts = applied.get(&at).map(Vec::as_slice).unwrap_or_default();
        let more = if hosts.len() > NAMES_SHOWN_MAX { ", ..." } else { "" };
        let shown: Vec<&str> = hosts.iter().take(NAMES_SHOWN_MAX).map(String::as_str).collect();
        let shown = if shown.is_empty() { "no host here".to_owned() } else { shown.join(", ") };
        draft.comment(&format!("Host {}: {}; matches {shown}{more}", wild.join(" "), settings.join(", ")));
    }
}

/// Splits the file into blocks and lists its hosts in order.
fn blocks(text: &str, draft: &mut Draft<'_>) -> (Vec<Block>, Vec<Named>) {
    // What stands before the first `Host` holds for every host.
    let mut blocks = vec![Block { patterns: vec!["*".to_owned()], options: Vec::new() }];
    let mut named: Vec<Named> = Vec::new();
    let mut seen = HashSet::new();
    let mut is_match = false;
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let Some((keyword, arguments)) = split(line) else { continue };
        match keyword.to_ascii_lowercase().as_str() {
            "host" => {
                is_match = false;
                if blocks.len() >= BLOCKS_MAX {
                    let message =
                        format!("the file has more than {BLOCKS_MAX} blocks; what follows is left out");
                    draft.problem(Code::ImportLimit, number, message, None);
                    break;
                }
                for name in arguments.iter().filter(|name| !is_pattern(name)) {
                    if seen.insert(name.clone()) && named.len() <= IMPORT_HOSTS_MAX {
                        named.push(Named { name: name.clone(), line: number, group: blocks.len() });
                    }
                }
                blocks.push(Block { patterns: arguments, options: Vec::new() });
            }
            "match" => {
                is_match = true;
                let shown = format!("Match {}", arguments.join(" "));
                let message =
                    format!("`{}` is not evaluated: its settings are left out", shown.escape_debug());
                draft.problem(Code::ImportIgnored, number, message, Some("compare with `ssh -G NAME`"));
                draft.comment(&format!("{shown} (not carried over, with all its settings)"));
            }
            "include" => {
                let message = format!("`Include {}` is not followed", arguments.join(" ").escape_debug());
                draft.problem(Code::ImportIgnored, number, message, Some("import that file as well"));
                draft.comment(&format!("Include {} (not followed)", arguments.join(" ")));
            }
            _ if is_match => {}
            _ if arguments.is_empty() => {
                let message = format!("`{}` has no value", keyword.escape_debug());
                draft.problem(Code::ImportIgnored, number, message, None);
            }
            _ => {
                if let Some(block) = blocks.last_mut() {
                    block.options.push(Setting { keyword, arguments });
                }
            }
        }
    }
    (blocks, named)
}

/// Splits a line into keyword and arguments: `Keyword value`, `Keyword=value`, `Keyword "a value"`, with
/// `#` beginning a comment between words (OpenSSH's `argv_split`).
fn split(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim_matches([' ', '\t', '\r', '\u{c}', '\u{feff}']);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find([' ', '\t', '=', '"']).unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Some((keyword.to_owned(), words(rest)))
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\t') => words.extend(word.take()),
            (_, '\\') if characters.peek().is_some_and(|next| "\"'\\".contains(*next)) => {
                word.get_or_insert_default().extend(characters.next());
            }
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// `%h` is the name that was asked for, `%%` a percent sign.
fn expand(hostname: &str, name: &str) -> String {
    let parts: Vec<String> = hostname.split("%%").map(|part| part.replace("%h", name)).collect();
    parts.join("%")
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?']) || text.starts_with('!')
}

/// A name matches where a pattern does and no negated one.
fn matches(patterns: &[String], name: &str) -> bool {
    let mut is_matched = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if is_match(negated, name) => return false,
            Some(_) => {}
            None => is_matched = is_matched || is_match(pattern, name),
        }
    }
    is_matched
}

/// Matches `*` and `?`, with one step back to the last `*`: linear for what people write, and bounded by
/// the lengths otherwise.
fn is_match(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    if pattern.len() > PATTERN_BYTES_MAX || name.len() > PATTERN_BYTES_MAX {
        return false;
    }
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((star_at, star_from)) = star else { return false };
                star = Some((star_at, star_from + 1));
                at = star_at + 1;
                from = star_from + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
