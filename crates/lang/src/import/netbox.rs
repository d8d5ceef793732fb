//! Devices and virtual machines as NetBox and Nautobot list them (`/api/dcim/devices/`,
//! `/api/virtualization/virtual-machines/`).

use model::{Code, Problem};
use serde_json::{Map, Value};

use crate::import::draft::{Draft, Entry, RawName};
use crate::import::text::natural_key;
use crate::import::{ImportOptions, Imported};

/// The most JSON documents (pages) in one file.
const PAGES_MAX: usize = 1_000;

/// Fields that are read on their own, or that say nothing about the host itself.
const KNOWN: [&str; 36] = [
    "id",
    "url",
    "display",
    "display_url",
    "natural_slug",
    "object_type",
    "name",
    "primary_ip",
    "primary_ip4",
    "primary_ip6",
    "site",
    "location",
    "tenant",
    "platform",
    "role",
    "device_role",
    "tags",
    "custom_fields",
    "status",
    "comments",
    "created",
    "last_updated",
    "notes_url",
    "config_context",
    "local_context_data",
    "local_config_context_data",
    "computed_fields",
    "relationships",
    "device_type",
    "rack",
    "cluster",
    "face",
    "airflow",
    "position",
    "latitude",
    "longitude",
];

/// Reads one page or several.
pub(super) fn read(text: &str, options: &ImportOptions) -> (Imported, Vec<Problem>) {
    let mut draft = Draft::new(options, "NetBox");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    let mut next_page = None;
    for (number, page) in serde_json::Deserializer::from_str(text).into_iter::<Value>().enumerate() {
        let page = match page {
            Ok(page) if number < PAGES_MAX => page,
            Ok(_) => {
                draft.problem(
                    Code::ImportLimit,
                    0,
                    format!("the file has more than {PAGES_MAX} pages"),
                    None,
                );
                break;
            }
            Err(error) => {
                let hint = "expected the JSON of NetBox's REST API, for example /api/dcim/devices/?limit=0";
                draft.problem(
                    Code::ImportUnreadable,
                    error.line(),
                    format!("the JSON cannot be read: {error}"),
                    Some(hint),
                );
                break;
            }
        };
        next_page = page.get("next").and_then(Value::as_str).map(str::to_owned);
        match page {
            Value::Array(items) => found.extend(items),
            Value::Object(mut page) => match page.remove("results") {
                Some(Value::Array(items)) => found.extend(items),
                Some(_) => draft.problem(Code::ImportUnreadable, 0, "expected `results` to be a list", None),
                None => found.push(Value::Object(page)),
            },
            _ => draft.problem(
                Code::ImportUnreadable,
                0,
                "expected a list of devices or `{\"results\": [...]}`",
                None,
            ),
        }
    }
    if let Some(next) = next_page {
        let message = format!("the list goes on at `{}`: its hosts are not here", next.escape_debug());
        draft.problem(
            Code::ImportLimit,
            0,
            message,
            Some("fetch every page (`?limit=0`) and put them one after the other"),
        );
    }
    let mut entries: Vec<Entry> = Vec::new();
    for item in &found {
        match item.as_object() {
            Some(item) => entries.extend(entry(item, &mut draft)),
            None => draft.problem(Code::ImportEntryInvalid, 0, "expected a device to be an object", None),
        }
    }
    entries.sort_by_cached_key(|entry| natural_key(&entry.name));
    entries.into_iter().for_each(|entry| draft.add(entry));
    draft.finish()
}

fn entry(item: &Map<String, Value>, draft: &mut Draft<'_>) -> Option<Entry> {
    let name = item.get("name").and_then(text).or_else(|| Some(format!("device-{}", item.get("id")?)));
    let Some(name) = name else {
        draft.problem(Code::ImportEntryInvalid, 0, "a device without name and id is left out", None);
        return None;
    };
    let mut entry = Entry { name, ..Entry::default() };
    entry.address =
        ["primary_ip4", "primary_ip", "primary_ip6"].iter().find_map(|key| address(item.get(*key)?));
    if entry.address.is_none() {
        entry.comments.push("no primary IP: reached by its name".to_owned());
    }
    let tenant = item.get("tenant").filter(|tenant| !tenant.is_null());
    entry.client = tenant.and_then(|tenant| Some(RawName { name: slug(tenant)?, title: title(tenant)? }));
    let site = item.get("site").or_else(|| item.get("location"));
    entry.site = site.and_then(|site| Some(RawName { name: slug(site)?, title: title(site)? }));
    entry.os = item.get("platform").and_then(title);
    let role = item.get("role").or_else(|| item.get("device_role")).and_then(slug);
    let tags = item.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(slug);
    entry.tags = role.into_iter().chain(tags).collect();
    let status = item.get("status").and_then(|status| status.get("value").or(Some(status))).and_then(text);
    if let Some(status) = status.filter(|status| status != "active") {
        entry.comments.push(format!("status: {status}"));
    }
    entry
        .comments
        .extend(item.get("comments").and_then(text).iter().flat_map(|text| text.lines()).map(str::to_owned));
    for key in ["device_type", "rack", "cluster"] {
        let value =
            item.get(key).and_then(|value| value.get("model").and_then(text).or_else(|| title(value)));
        entry.data.extend(value.map(|value| (key.to_owned(), value)));
    }
    let fields = item.iter().filter(|(key, value)| !KNOWN.contains(&key.as_str()) && !is_count(key, value));
    entry.data.extend(fields.filter_map(|(key, value)| Some((key.clone(), shown(value)?))));
    let custom = item.get("custom_fields").and_then(Value::as_object).into_iter().flatten();
    entry.data.extend(custom.filter_map(|(key, value)| Some((key.clone(), shown(value)?))));
    Some(entry)
}

/// `interface_count: 0` and the like are statistics.
fn is_count(key: &str, value: &Value) -> bool {
    key.ends_with("_count") && value.is_number()
}

/// NetBox gives `{"address": "10.0.0.1/24"}`, Nautobot may give `display` or `host` alone.
fn address(value: &Value) -> Option<String> {
    text(value).or_else(|| ["address", "host", "display"].iter().find_map(|key| text(value.get(*key)?)))
}

/// The short name of something that is nested in a device: an object, or in older versions text.
fn slug(value: &Value) -> Option<String> {
    text(value).or_else(|| ["slug", "value", "name", "display"].iter().find_map(|key| text(value.get(*key)?)))
}

/// Its name for people.
fn title(value: &Value) -> Option<String> {
    text(value).or_else(|| ["name", "label", "display", "slug"].iter().find_map(|key| text(value.get(*key)?)))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Writes what is worth keeping; empty things are not.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Array(items) if items.is_empty() => None,
        Value::Object(object) => title(value).or_else(|| (!object.is_empty()).then(|| value.to_string())),
        Value::Array(items) => {
            let words: Vec<String> = items.iter().filter_map(shown).collect();
            Some(words.join(", "))
        }
        Value::String(_) => text(value),
        other => Some(other.to_string()),
    }
}
