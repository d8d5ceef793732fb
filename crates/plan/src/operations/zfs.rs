//! `zfs.dataset`, `zfs.filesystem`, `zfs.snapshot`, `zfs.volume`.

use model::Risk;
use starlark::collections::SmallMap;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::UnpackValue;
use starlark::values::Value;
use starlark::values::dict::UnpackDictEntries;
use starlark::values::none::NoneOr;

use super::Area;
use super::argument::{NumberOrText, as_text, checked_line, given, quoted};
use super::goal::{Goal, Named};
use crate::deploy::{Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// The longest name of a dataset, in bytes.
const NAME_BYTES_MAX: usize = 255;

struct Dataset;

impl Named for Dataset {
    const NAME: &'static str = "zfs.dataset";
}

struct Filesystem;

impl Named for Filesystem {
    const NAME: &'static str = "zfs.filesystem";
}

struct Snapshot;

impl Named for Snapshot {
    const NAME: &'static str = "zfs.snapshot";
}

struct Volume;

impl Named for Volume {
    const NAME: &'static str = "zfs.volume";
}

/// What is wanted of a dataset.
struct Wanted<'a> {
    name: &'a str,
    kind: &'static str,
    present: bool,
    recursive: bool,
    sparse: bool,
    size: Option<String>,
    properties: Vec<(String, String)>,
}

type Given<'v> = NoneOr<UnpackDictEntries<&'v str, NumberOrText<'v>>>;

/// Returns the properties of both kinds, by their names.
fn all_properties(
    properties: Given<'_>,
    extra: SmallMap<String, Value<'_>>,
) -> Result<Vec<(String, String)>, String> {
    let listed = given(properties).map(|it| it.entries).unwrap_or_default();
    let mut found: Vec<(String, String)> =
        listed.into_iter().map(|(key, value)| (key.to_owned(), as_text(value))).collect();
    for (key, value) in extra {
        let value = NumberOrText::unpack_value(value).ok().flatten();
        let value = value.ok_or_else(|| format!("expected {key} to be a text or a number"))?;
        found.push((key, as_text(value)));
    }
    found.sort();
    for (key, value) in &found {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-@".contains(&byte);
        if !key.starts_with(|letter: char| letter.is_ascii_alphabetic()) || !key.bytes().all(is_word) {
            return Err(format!("expected the name of a property, got {}", quoted(key)));
        }
        checked_line(key, value)?;
    }
    if found.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err("expected each property once".to_owned());
    }
    Ok(found)
}

fn goal<N: Named>(wanted: Wanted<'_>) -> Result<Goal<N>, String> {
    let name = wanted.name;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@ ".contains(&byte);
    let is_good = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(is_word)
        && !name.ends_with('/')
        && !name.contains("//");
    if !is_good || (wanted.kind == "snapshot") != name.contains('@') {
        return Err(format!("expected the name of a {}, got {}", wanted.kind, quoted(name)));
    }
    let keys = wanted.properties.iter().map(|(key, _)| key.as_str());
    let question = Question::new(&sh::ZFS_STATE, [name].into_iter().chain(keys.filter(|_| wanted.present)));
    let recursive = if wanted.recursive { "recursive" } else { "" };
    let mount = wanted.properties.iter().find(|(key, value)| key == "mountpoint" && value.starts_with('/'));
    let mount = mount.map_or_else(|| format!("/{name}"), |(_, path)| path.clone());
    let areas = [Area::Named("zfs"), Area::Named("mounts"), Area::Tree(mount)];
    if !wanted.present {
        if !name.contains(['/', '@']) {
            return Err(format!("{} is a whole pool, which is not destroyed", quoted(name)));
        }
        return Ok(Goal::new(name, Script::call(&sh::DESTROY_DATASET, &[name, recursive]))
            .asks(question, ["absent"])
            .touches(areas)
            .risks([Risk::Data]));
    }
    let pairs: Vec<String> = wanted.properties.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let sparse = if wanted.sparse { "sparse" } else { "" };
    let size = wanted.size.as_deref().unwrap_or_default();
    let words: Vec<&str> = [name, wanted.kind, recursive, sparse, size]
        .into_iter()
        .chain(pairs.iter().map(String::as_str))
        .collect();
    let after: Vec<&str> = ["there"].into_iter().chain(pairs.iter().map(String::as_str)).collect();
    Ok(Goal::new(name, Script::call(&sh::SET_DATASET, &words))
        .asks(question, [after.join("\n")])
        .touches(areas)
        .depends([Area::Named("zfs")]))
}

fn checked_size(argument: &str, size: Option<NumberOrText<'_>>) -> Result<Option<String>, String> {
    let Some(size) = size.map(as_text) else { return Ok(None) };
    let is_good = size.starts_with(|letter: char| letter.is_ascii_digit())
        && size.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    if is_good {
        Ok(Some(size))
    } else {
        Err(format!("expected {argument} to be a size like `32G`, got {}", quoted(&size)))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a ZFS dataset is there with some properties, or is not: a file system, or with `volume_size` a
    /// volume. The size of a volume that is there is not changed.
    ///
    /// ```python
    /// zfs.dataset("tank/srv", mountpoint = "/srv", compression = "lz4", properties = {"com.sun:auto_snapshot": "true"})
    /// ```
    ///
    /// # Arguments
    /// * `dataset_name`: its name
    /// * `present`: False: it is destroyed with what is in it; a whole pool never is
    /// * `recursive`: whether its parents are created, or its children destroyed
    /// * `sparse`: whether a new volume takes no space before it is used
    /// * `volume_size`: the size of a new volume
    /// * `properties`: properties and their values; a value is compared as `zfs get` shows it: `"1T"`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    /// * `extra_props`: more properties, each by its name
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn dataset<'v>(
        dataset_name: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] recursive: bool,
        #[starlark(require = named, default = false)] sparse: bool,
        #[starlark(require = named, default = NoneOr::None)] volume_size: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = NoneOr::None)] properties: NoneOr<
            UnpackDictEntries<&'v str, NumberOrText<'v>>,
        >,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        #[starlark(kwargs)] extra_props: SmallMap<String, Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let properties = all_properties(properties, extra_props)?;
            let size = checked_size("volume_size", given(volume_size))?;
            let kind = if present || !dataset_name.contains('@') { "dataset" } else { "snapshot" };
            goal::<Dataset>(Wanted { name: dataset_name, kind, present, recursive, sparse, size, properties })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that a ZFS file system is there with some properties, or is not.
    ///
    /// ```python
    /// zfs.filesystem("tank/home", mountpoint = "/home")
    /// ```
    ///
    /// # Arguments
    /// * `fs_name`: its name
    /// * `present`: False: it is destroyed with what is in it
    /// * `recursive`: whether its parents are created, or its children destroyed
    /// * `properties`: properties and their values; a value is compared as `zfs get` shows it: `"1T"`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    /// * `extra_props`: more properties, each by its name
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn filesystem<'v>(
        fs_name: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] recursive: bool,
        #[starlark(require = named, default = NoneOr::None)] properties: NoneOr<
            UnpackDictEntries<&'v str, NumberOrText<'v>>,
        >,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        #[starlark(kwargs)] extra_props: SmallMap<String, Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let properties = all_properties(properties, extra_props)?;
            goal::<Filesystem>(Wanted {
                name: fs_name,
                kind: "dataset",
                present,
                recursive,
                sparse: false,
                size: None,
                properties,
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that a ZFS snapshot is there, or is not.
    ///
    /// ```python
    /// zfs.snapshot("tank/home@before-upgrade")
    /// ```
    ///
    /// # Arguments
    /// * `snapshot_name`: its name: `tank/home@name`
    /// * `present`: False: it is destroyed
    /// * `recursive`: whether children get one, too
    /// * `properties`: properties and their values; a value is compared as `zfs get` shows it: `"1T"`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    /// * `extra_props`: more properties, each by its name
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn snapshot<'v>(
        snapshot_name: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] recursive: bool,
        #[starlark(require = named, default = NoneOr::None)] properties: NoneOr<
            UnpackDictEntries<&'v str, NumberOrText<'v>>,
        >,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        #[starlark(kwargs)] extra_props: SmallMap<String, Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let properties = all_properties(properties, extra_props)?;
            goal::<Snapshot>(Wanted {
                name: snapshot_name,
                kind: "snapshot",
                present,
                recursive,
                sparse: false,
                size: None,
                properties,
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that a ZFS volume is there, or is not. The size of one that is there is not changed.
    ///
    /// ```python
    /// zfs.volume("tank/vm/db-1", "32G")
    /// ```
    ///
    /// # Arguments
    /// * `volume_name`: its name
    /// * `size`: the size of a new one
    /// * `sparse`: whether a new one takes no space before it is used
    /// * `present`: False: it is destroyed with what is in it
    /// * `recursive`: whether its parents are created, or its children destroyed
    /// * `properties`: properties and their values; a value is compared as `zfs get` shows it: `"1T"`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    /// * `extra_props`: more properties, each by its name
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn volume<'v>(
        volume_name: &'v str,
        size: NumberOrText<'v>,
        #[starlark(require = named, default = false)] sparse: bool,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] recursive: bool,
        #[starlark(require = named, default = NoneOr::None)] properties: NoneOr<
            UnpackDictEntries<&'v str, NumberOrText<'v>>,
        >,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        #[starlark(kwargs)] extra_props: SmallMap<String, Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let properties = all_properties(properties, extra_props)?;
            let size = checked_size("size", Some(size))?;
            goal::<Volume>(Wanted {
                name: volume_name,
                kind: "dataset",
                present,
                recursive,
                sparse,
                size,
                properties,
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
