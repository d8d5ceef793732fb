//! Names of an import: made to fit the naming rule, unique, and never one for two.

use std::collections::HashMap;

use model::{ClientName, Code, GroupName, HostName, InvalidName, SiteName};

use super::{Draft, Entry, UNASSIGNED, shown_name};
use crate::import::text::{NAME_STEM_BYTES, cut, name_from, word_from};
use crate::import::{HOST_WORDS_MAX, IMPORT_GROUPS_MAX, ImportedClient, ImportedConnection, ImportedSite};
use crate::limits::TITLE_BYTES_MAX;

impl Draft<'_> {
    /// Finds or makes the client. Two clients of the file never become one of ours.
    pub fn client(&mut self, entry: &Entry) -> Option<ClientName> {
        let Some(raw) = entry.client.as_ref().filter(|raw| !raw.name.trim().is_empty()) else {
            return self.default_client();
        };
        let key = raw.name.trim().to_owned();
        if let Some(known) = self.clients.get(&key) {
            // An entry may say only its short name, and a later one more.
            let at = self.client_names.get(known.as_str()).copied();
            if let Some(client) = at.and_then(|at| self.imported.clients.get_mut(at)) {
                client.title = client.title.take().or_else(|| title(&raw.title, known.as_str()));
            }
            return Some(known.clone());
        }
        let base = [&key, &raw.title].into_iter().map(|text| word_from(text)).find(|word| !word.is_empty());
        let Some(base) = base else {
            let message = format!(
                "client `{}` of host `{}` has no letter or digit to make a name of",
                cut(&key).escape_debug(),
                shown_name(entry)
            );
            self.problem(Code::ImportEntryInvalid, entry.line, message, Some("the host is left out"));
            self.comment(&format!("host {}: no usable client `{key}`, left out", shown_name(entry)));
            return None;
        };
        let client_names = &self.client_names;
        let name = unique(&mut self.numbers, &base, |name| client_names.contains_key(name));
        let name = ClientName::new(&name).ok()?;
        if name.as_str() != key {
            let message = format!("client `{}` is called `{name}` here", cut(&key).escape_debug());
            self.problem(Code::ImportNameChanged, entry.line, message, None);
        }
        let title = title(&raw.title, name.as_str());
        self.client_names.insert(name.as_str().to_owned(), self.imported.clients.len());
        self.imported.clients.push(ImportedClient { name: name.clone(), title });
        self.clients.insert(key, name.clone());
        Some(name)
    }

    fn default_client(&mut self) -> Option<ClientName> {
        let name = self.options.client.clone().or_else(|| ClientName::new(UNASSIGNED).ok())?;
        if !self.client_names.contains_key(name.as_str()) {
            self.client_names.insert(name.as_str().to_owned(), self.imported.clients.len());
            if self.options.client.is_none() {
                let message = format!("the file names no client for some hosts: they belong to `{name}`");
                self.problem(Code::ImportNoClient, 0, message, Some("`--client NAME` says whose they are"));
            }
            self.imported.clients.push(ImportedClient { name: name.clone(), title: None });
            self.clients.insert(name.as_str().to_owned(), name.clone());
        }
        Some(name)
    }

    pub fn name(
        &mut self,
        entry: &Entry,
        client: &ClientName,
        connection: &ImportedConnection,
    ) -> Option<HostName> {
        let given = entry.name.trim();
        let mut base = name_from(given);
        if HostName::new(given).is_ok() {
            base = given.to_owned();
        } else if base.is_empty()
            && let ImportedConnection::Ssh { address, .. } = connection
        {
            base = name_from(address.as_str());
        }
        if base.is_empty() {
            let message = format!("host `{}` has no letter or digit to make a name of", shown_name(entry));
            self.problem(Code::ImportEntryInvalid, entry.line, message, Some("it is left out"));
            self.comment(&format!("host {}: no usable name, left out", shown_name(entry)));
            return None;
        }
        let earlier = self.names.get(&base).map(|at| &self.imported.hosts[*at]);
        if earlier.is_some_and(|host| host.client == *client && host.connection == *connection) {
            let message = format!("host `{base}` is described twice, and this one is left out");
            self.problem(Code::ImportDuplicate, entry.line, message, None);
            self.comment(&format!("host {base}: described twice, the first one counts"));
            return None;
        }
        let is_taken = earlier.is_some();
        if earlier.is_some_and(|host| host.client != *client) {
            base = name_from(&format!("{client}-{base}"));
        }
        let name = unique(&mut self.numbers, &base, |name| self.names.contains_key(name));
        let name = HostName::new(&name).ok()?;
        if name.as_str() != given {
            let message = format!("host `{}` is called `{name}` here", shown_name(entry));
            let hint = if is_taken {
                "another host has this name already"
            } else {
                "names are ASCII letters, digits, `.`, `_` and `-`"
            };
            self.problem(Code::ImportNameChanged, entry.line, message, Some(hint));
        }
        self.names.insert(name.as_str().to_owned(), self.imported.hosts.len());
        Some(name)
    }

    /// Finds or makes the site. A place that two clients share is two sites.
    pub fn site(
        &mut self,
        entry: &Entry,
        client: &ClientName,
        comments: &mut Vec<String>,
    ) -> Option<SiteName> {
        let raw = entry.site.as_ref().filter(|raw| !raw.name.trim().is_empty())?;
        let key = (client.clone(), raw.name.trim().to_owned());
        if let Some(known) = self.sites.get(&key) {
            let at = self.site_names.get(known.as_str()).copied();
            if let Some(site) = at.and_then(|at| self.imported.sites.get_mut(at)) {
                site.title = site.title.take().or_else(|| title(&raw.title, known.as_str()));
            }
            return Some(known.clone());
        }
        let mut base = word_from(&key.1);
        if base.is_empty() {
            return self.part(entry, "site", Some(&key.1), comments, |_| None);
        }
        if self.site_names.contains_key(&base) {
            base = name_from(&format!("{client}-{base}"));
        }
        let site_names = &self.site_names;
        let name =
            SiteName::new(&unique(&mut self.numbers, &base, |name| site_names.contains_key(name))).ok()?;
        if name.as_str() != key.1 {
            let shown = cut(&key.1).escape_debug().to_string();
            let message = format!("site `{shown}` of client `{client}` is called `{name}` here");
            self.problem(Code::ImportNameChanged, entry.line, message, None);
        }
        let title = title(&raw.title, name.as_str());
        self.site_names.insert(name.as_str().to_owned(), self.imported.sites.len());
        self.imported.sites.push(ImportedSite { name: name.clone(), client: client.clone(), title });
        self.sites.insert(key, name.clone());
        Some(name)
    }

    /// Says whether the group is one of those that fit.
    pub fn has_group(&mut self, group: &GroupName, entry: &Entry) -> bool {
        if self.group_names.len() < IMPORT_GROUPS_MAX {
            self.group_names.insert(group.as_str().to_owned());
        }
        let has_room = self.group_names.contains(group.as_str());
        if !has_room {
            let message =
                format!("group `{group}` is left out: one import takes at most {IMPORT_GROUPS_MAX} groups");
            self.problem(Code::ImportLimit, entry.line, message, None);
        }
        has_room
    }

    /// Reads names; one that breaks the rule is changed, and that is said.
    pub fn words<N: ToString>(
        &mut self,
        what: &str,
        words: &[String],
        entry: &Entry,
        new: fn(&str) -> Result<N, InvalidName>,
    ) -> Vec<N> {
        let mut names = Vec::new();
        let words_in = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty());
        for word in words_in.take(HOST_WORDS_MAX) {
            let made = new(word).or_else(|_| new(&name_from(word))).ok();
            let name = made.as_ref().map(ToString::to_string);
            if name.as_deref() != Some(word) {
                let shown = cut(word).escape_debug().to_string();
                let fate = name.map_or("left out".to_owned(), |name| format!("called `{name}` here"));
                let message = format!("{what} `{shown}` of host `{}` is {fate}", shown_name(entry));
                self.problem(Code::ImportNameChanged, entry.line, message, None);
            }
            names.extend(made);
        }
        if words.len() > HOST_WORDS_MAX {
            let message = format!(
                "host `{}` has more than {HOST_WORDS_MAX} {what}s: the rest is left out",
                shown_name(entry)
            );
            self.problem(Code::ImportLimit, entry.line, message, None);
        }
        names
    }
}

/// Returns what to call a client or site for people, where that is more than its name.
fn title(text: &str, name: &str) -> Option<String> {
    let text = text.trim();
    let is_title = !text.is_empty() && text.len() <= TITLE_BYTES_MAX && !text.contains(char::is_control);
    (is_title && text != name).then(|| text.to_owned())
}

/// Makes a name unique with a number at its end.
fn unique(numbers: &mut HashMap<String, u32>, base: &str, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(base) {
        return base.to_owned();
    }
    let number = numbers.entry(base.to_owned()).or_insert(1);
    let stem = base.get(..base.len().min(NAME_STEM_BYTES)).unwrap_or(base);
    loop {
        *number += 1;
        let name = format!("{stem}-{number}");
        if !is_taken(&name) {
            return name;
        }
    }
}
