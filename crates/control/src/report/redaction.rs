//! What a client's report must not say. Everything in it is taken from fields that belong to the client; this is
//! for words that people wrote, or that were made of several fields.

use std::collections::BTreeSet;

use model::{ClientName, Inventory};

/// Who acts, to a reader who is not told names.
pub(crate) const TEAM: &str = "the operations team";

/// Names that must not stand in a text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redaction {
    names: BTreeSet<String>,
}

impl Redaction {
    /// Nothing is withheld.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// For a client: every other client by name and title, their hosts, sites, services, groups and networks, and
    /// every person.
    pub(crate) fn of(inventory: &Inventory, reader: &ClientName) -> Self {
        let mut redaction = Self::default();
        for client in inventory.clients.iter().filter(|it| it.name != *reader) {
            redaction.add(client.name.as_str());
            redaction.add(&client.title);
        }
        let is_foreign = |client: &ClientName| client != reader;
        inventory
            .hosts
            .iter()
            .filter(|it| is_foreign(&it.client))
            .for_each(|it| redaction.add(it.name.as_str()));
        for site in inventory.sites.iter().filter(|it| is_foreign(&it.client)) {
            redaction.add(&site.title);
            redaction.add(site.name.as_str());
        }
        for person in &inventory.people {
            redaction.add(person.name.as_str());
            if let Some(email) = &person.email {
                redaction.add(email.as_str());
            }
        }
        let own: BTreeSet<String> = own_names(inventory, reader);
        redaction.names.retain(|name| !own.contains(name));
        redaction
    }

    /// Adds a name.
    pub(crate) fn add(&mut self, name: &str) {
        let name = name.trim().to_lowercase();
        if !name.is_empty() {
            self.names.insert(name);
        }
    }

    /// Returns the first name that a text must not hold.
    pub(crate) fn named_in(&self, text: &str) -> Option<&str> {
        let text = text.to_lowercase();
        self.names.iter().find(|name| holds_word(&text, name)).map(String::as_str)
    }

    /// Returns the text if it may be shown.
    pub(crate) fn pass<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.named_in(text).is_none().then_some(text)
    }
}

/// What the reader calls their own may stand in a text, whoever else has something of the same name.
fn own_names(inventory: &Inventory, reader: &ClientName) -> BTreeSet<String> {
    let hosts = inventory.hosts.iter().filter(|it| it.client == *reader).map(|it| it.name.as_str());
    let sites = inventory.sites.iter().filter(|it| it.client == *reader).map(|it| it.name.as_str());
    hosts.chain(sites).chain([reader.as_str()]).map(str::to_lowercase).collect()
}

/// Says whether a text holds a name that is not a part of a longer word: `web-1` is not in `web-10`, and is in
/// `web-1.example.org`.
fn holds_word(text: &str, name: &str) -> bool {
    let is_inside = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
    text.match_indices(name).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + found.len()..].chars().next();
        !before.is_some_and(is_inside) && !after.is_some_and(is_inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_word() {
        let mut redaction = Redaction::default();
        ["globex", "web-1", "Jane@Example.org", "Größe GmbH"].iter().for_each(|name| redaction.add(name));
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(redaction.named_in(text), expected, "{text}");
        check("the fix came late", None);
        check("GLOBEX asked to wait", Some("globex"));
        check("(globex)", Some("globex"));
        check("globexia, web-10, aweb-1", None);
        check("web-1.example.org was slow", Some("web-1"));
        check("mail jane@example.org", Some("jane@example.org"));
        check("GRÖSSE und größe gmbh", Some("größe gmbh"));
        check("", None);
    }
}
