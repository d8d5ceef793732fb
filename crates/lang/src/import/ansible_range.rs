//! Host patterns of INI inventories: `www[01:50].example.com`, `db-[a:f]`, `gw:2222`, `[2001:db8::1]:22`.

use crate::import::IMPORT_HOSTS_MAX;

/// Splits a pattern into the pattern of the name and the port (Ansible's `parse_address`: a port stands
/// behind a colon that is the only one, or behind brackets around everything).
pub(super) fn split_port(pattern: &str) -> (&str, Option<&str>) {
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((host, port)) = pattern.rsplit_once(':').filter(|(_, port)| is_port(port)) else {
        return (pattern, None);
    };
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'))
        && !inner.contains(['[', ']'])
        && inner.matches(':').count() != 1
    {
        return (inner, Some(port));
    }
    let mut depth = 0_usize;
    for byte in host.bytes() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => return (pattern, None),
            _ => {}
        }
    }
    if depth == 0 { (host, Some(port)) } else { (pattern, None) }
}

/// Expands every `[begin:end]` and `[begin:end:step]`, both ends included.
///
/// # Errors
/// Says what is wrong with a range, or that it gives too many hosts.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((head, after)) = rest.split_once('[') {
        let (range, tail) = after.split_once(']').ok_or("a range has no closing `]`")?;
        let items = items(range)?;
        if names.len().saturating_mul(items.len()) > IMPORT_HOSTS_MAX {
            return Err(format!("the ranges give more than {IMPORT_HOSTS_MAX} hosts"));
        }
        let join = |name: &String| items.iter().map(|item| format!("{name}{head}{item}")).collect::<Vec<_>>();
        names = names.iter().flat_map(join).collect();
        rest = tail;
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

fn items(range: &str) -> Result<Vec<String>, String> {
    let bad = || format!("expected a range `begin:end` or `begin:end:step`, got `{}`", range.escape_debug());
    let bounds: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match bounds.as_slice() {
        [begin, end] => (*begin, *end, 1),
        [begin, end, step] => (*begin, *end, step.parse::<usize>().map_err(|_| bad())?),
        _ => return Err(bad()),
    };
    if step == 0 {
        return Err(bad());
    }
    if let ([from], [to]) = (begin.as_bytes(), end.as_bytes())
        && from.is_ascii_alphabetic()
        && to.is_ascii_alphabetic()
    {
        // Ansible counts from a to z and on from A to Z.
        let letters: Vec<u8> = (b'a'..=b'z').chain(b'A'..=b'Z').collect();
        let at = |letter: &u8| letters.iter().position(|it| it == letter).ok_or_else(bad);
        let (from, to) = (at(from)?, at(to)?);
        if from > to {
            return Err(bad());
        }
        return Ok(letters[from..=to]
            .iter()
            .step_by(step)
            .map(|letter| char::from(*letter).to_string())
            .collect());
    }
    let begin = if begin.is_empty() { "0" } else { begin };
    let width = if begin.len() > 1 && begin.starts_with('0') { begin.len() } else { 0 };
    if width > 0 && width != end.len() {
        return Err(format!("expected both ends of the range `{range}` to have the same length"));
    }
    let (from, to): (u32, u32) = (begin.parse().map_err(|_| bad())?, end.parse().map_err(|_| bad())?);
    if u64::from(to.saturating_sub(from)) / step as u64 >= IMPORT_HOSTS_MAX as u64 {
        return Err(format!("the range gives more than {IMPORT_HOSTS_MAX} hosts"));
    }
    Ok((from..=to).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_count_as_ansible_does() {
        let check =
            |pattern, expected: &[&str]| assert_eq!(expand(pattern).expect(pattern), expected, "{pattern}");
        check("web", &["web"]);
        check("www[08:11].x", &["www08.x", "www09.x", "www10.x", "www11.x"]);
        check("db-[a:c]", &["db-a", "db-b", "db-c"]);
        check("n[1:7:3]", &["n1", "n4", "n7"]);
        check("r[1:2]s[1:2]", &["r1s1", "r1s2", "r2s1", "r2s2"]);
        check("n[:2]", &["n0", "n1", "n2"]);
        for bad in [
            "a[1:]",
            "a[01:100]",
            "a[1",
            "a[c:a]",
            "a[1:5:0]",
            "a[x1:5]",
            "a[1:9999999]",
            "a[1]",
            "a[0:999]b[0:999]",
        ] {
            assert!(expand(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_are_split_as_ansible_does() {
        let check = |pattern, host: &str, port: Option<&str>| {
            assert_eq!(split_port(pattern), (host, port), "{pattern}")
        };
        check("gw", "gw", None);
        check("gw:2222", "gw", Some("2222"));
        check("www[1:3].x:2222", "www[1:3].x", Some("2222"));
        check("[2001:db8::1]:2222", "2001:db8::1", Some("2222"));
        check("2001:db8::1", "2001:db8::1", None);
        check("www[1:3]", "www[1:3]", None);
        check("gw:x", "gw:x", None);
    }
}
