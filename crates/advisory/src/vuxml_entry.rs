//! One `<vuln>` element of VuXML.

use jiff::civil::Date;
use memchr::memmem;
use model::{
    Advisory, AdvisoryKey, Affected, Affects, Bound, Ecosystem, FeedName, JoinBy, PackageName,
    PackagePattern, ReleaseScope, Version, VersionRange, VulnerabilityId,
};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::glob::is_glob;
use crate::ids::push_id;
use crate::snapshot::feed;

/// The longest topic, name, version or id that is kept, in bytes; what is longer is cut.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// The longest vid, in bytes; a UUID has 36.
const VID_BYTES_MAX: usize = 128;

/// One `<vuln>` element.
#[derive(Default)]
pub(crate) struct Entry {
    pub vid: String,
    topic: String,
    pub is_cancelled: bool,
    packages: Vec<Package>,
    ids: Vec<VulnerabilityId>,
    published: Option<Date>,
    modified: Option<Date>,
    /// What is wrong with parts of it.
    pub troubles: Vec<String>,
}

/// A `<package>` (or `<system>`) of an entry: each name with each range.
#[derive(Default)]
struct Package {
    names: Vec<String>,
    ranges: Vec<VersionRange>,
}

impl Entry {
    /// When it was last changed.
    pub fn changed(&self) -> Option<Date> {
        self.modified.max(self.published)
    }

    fn add_id(&mut self, id: &str) {
        push_id(&mut self.ids, VulnerabilityId::new(id));
    }

    /// Makes it an advisory: each name of a package with each of its ranges.
    pub fn into_advisory(self) -> Advisory {
        let mut affected = Vec::new();
        for Package { names, ranges } in self.packages {
            for name in names {
                affected.push(Affected {
                    ecosystem: Ecosystem::FreeBsd,
                    release: ReleaseScope::Any,
                    repository: None,
                    package: match is_glob(&name) {
                        true => PackagePattern::Glob(name),
                        false => PackagePattern::Exact(PackageName::new(name)),
                    },
                    join_by: JoinBy::Binary,
                    affects: Affects::Ranges { ranges: ranges.clone(), earlier_fixes: Vec::new() },
                });
            }
        }
        Advisory {
            feed: FeedName::new(feed::FREEBSD_VUXML),
            key: AdvisoryKey::new(self.vid.as_str()),
            id: VulnerabilityId::new(self.vid),
            aliases: self.ids,
            summary: self.topic,
            severity: None,
            published: self.published,
            affected,
        }
    }
}

/// Parses one entry; its description is cut out before.
pub(crate) fn parse_entry(slice: &[u8]) -> Result<Entry, String> {
    let (before, after) = without_description(slice);
    let text = [String::from_utf8_lossy(before), String::from_utf8_lossy(after)].concat();
    let mut reader = Reader::from_str(&text);
    // A bare `&` is wrong XML, yet harmless in a topic.
    reader.config_mut().allow_dangling_amp = true;
    let mut walk = Walk::default();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => walk.open(&start),
            Ok(Event::Empty(start)) => {
                walk.open(&start);
                walk.close(start.local_name().as_ref());
            }
            Ok(Event::End(end)) => walk.close(end.local_name().as_ref()),
            Ok(Event::Text(text)) => walk.text(&text.xml10_content()),
            Ok(Event::CData(text)) => walk.text(&text.xml10_content()),
            Ok(Event::GeneralRef(reference)) => match reference.resolve_char_ref() {
                Ok(Some(character)) => walk.text(character.encode_utf8(&mut [0; 4])),
                _ => walk.entity(&reference.xml10_content()),
            },
            Ok(Event::Eof) => break,
            Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
            Err(error) => return Err(format!("malformed XML: {error}")),
        }
    }
    walk.finish()
}

/// Splits around `<description>..</description>`; no split where it is not there or not whole.
fn without_description(slice: &[u8]) -> (&[u8], &[u8]) {
    let start = memmem::find(slice, b"<description>");
    let end = memmem::rfind(slice, b"</description>").map(|it| it + b"</description>".len());
    match (start, end) {
        (Some(start), Some(end)) if start < end => (&slice[..start], &slice[end..]),
        _ => (slice, &[]),
    }
}

/// The entry under construction and the text since the last tag.
#[derive(Default)]
struct Walk {
    entry: Entry,
    package: Option<Package>,
    range: Option<VersionRange>,
    text: String,
}

impl Walk {
    fn open(&mut self, start: &BytesStart<'_>) {
        self.text.clear();
        match start.local_name().as_ref() {
            "vuln" => {
                if let Ok(Some(vid)) = start.try_get_attribute("vid") {
                    self.entry.vid = vid.value.trim().to_owned();
                }
            }
            "cancelled" => self.entry.is_cancelled = true,
            "package" | "system" => self.package = Some(Package::default()),
            "range" => self.range = Some(VersionRange { lower: None, upper: None }),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        match name {
            "name" => {
                if let Some(package) = self.package.as_mut().filter(|_| !text.is_empty()) {
                    package.names.push(text.to_owned());
                }
            }
            "lt" | "le" | "gt" | "ge" | "eq" => self.bound(name, text),
            "range" => {
                if let (Some(range), Some(package)) = (self.range.take(), self.package.as_mut()) {
                    package.ranges.push(range);
                }
            }
            "package" | "system" => self.close_package(),
            "topic" => {
                text.split_whitespace().collect::<Vec<_>>().join(" ").clone_into(&mut self.entry.topic)
            }
            "cvename" => {
                self.entry.add_id(text);
                // Candidates kept their numbers when they became CVEs (before 2005).
                if let Some(number) = text.strip_prefix("CAN-") {
                    self.entry.add_id(&format!("CVE-{number}"));
                }
            }
            "freebsdsa" if !text.is_empty() => {
                let number = text.strip_prefix("FreeBSD-").unwrap_or(text);
                self.entry.add_id(&format!("FreeBSD-{number}"));
            }
            "entry" => self.entry.published = text.parse().ok(),
            "modified" => self.entry.modified = text.parse().ok(),
            _ => {}
        }
    }

    fn bound(&mut self, kind: &str, version: &str) {
        let Some(range) = self.range.as_mut() else { return };
        // An empty bound bounds nothing.
        if version.is_empty() {
            return;
        }
        let is_inclusive = matches!(kind, "le" | "ge" | "eq");
        let bound = Bound { version: Version::new(version), is_inclusive };
        let ends = match kind {
            "lt" | "le" => [None, Some(&mut range.upper)],
            "gt" | "ge" => [Some(&mut range.lower), None],
            _ => [Some(&mut range.lower), Some(&mut range.upper)],
        };
        for end in ends.into_iter().flatten() {
            if end.is_some() {
                let message =
                    format!("a second bound `{kind} {version}` on one side of a range; the first counts");
                self.entry.troubles.push(message);
            } else {
                *end = Some(bound.clone());
            }
        }
    }

    fn close_package(&mut self) {
        let Some(mut package) = self.package.take() else { return };
        if package.names.is_empty() {
            self.entry.troubles.push("a package without a name".to_owned());
            return;
        }
        if package.ranges.is_empty() {
            let message =
                format!("no range for {}; every version counts as affected", package.names.join(", "));
            self.entry.troubles.push(message);
            package.ranges.push(VersionRange { lower: None, upper: None });
        }
        self.entry.packages.push(package);
    }

    fn text(&mut self, text: &str) {
        if self.text.len() + text.len() <= TEXT_BYTES_MAX {
            self.text.push_str(text);
        }
    }

    /// Predefined entities are resolved; any other (the whole file's DTD may declare some) stays as written.
    fn entity(&mut self, name: &str) {
        match quick_xml::escape::resolve_predefined_entity(name) {
            Some(text) => self.text(text),
            None => self.text(&format!("&{name};")),
        }
    }

    fn finish(self) -> Result<Entry, String> {
        let entry = self.entry;
        if entry.vid.is_empty() {
            return Err("the entry has no vid".to_owned());
        }
        if entry.vid.len() > VID_BYTES_MAX {
            return Err(format!("the vid is longer than {VID_BYTES_MAX} bytes"));
        }
        if entry.packages.is_empty() && !entry.is_cancelled {
            return Err(format!("entry {} affects no package", entry.vid));
        }
        Ok(entry)
    }
}
