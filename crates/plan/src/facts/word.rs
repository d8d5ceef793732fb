//! The only way into a script for what is not written in the source.

/// Returns text as one word of sh(1): single-quoted, so that nothing in it is special. It must not hold
/// a NUL, which no argument can; one is left out.
pub(crate) fn quoted(word: &[u8]) -> Vec<u8> {
    let mut text = vec![b'\''];
    for byte in word.iter().filter(|byte| **byte != 0) {
        match byte {
            b'\'' => text.extend(br"'\''"),
            byte => text.push(*byte),
        }
    }
    text.push(b'\'');
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::facts::script::tests::{run, shells};

    fn check(words: &[Vec<u8>]) {
        let mut script = b"printf '%s\\0'".to_vec();
        for word in words {
            script.push(b' ');
            script.extend(quoted(word));
        }
        script.push(b'\n');
        let expected: Vec<u8> = words.iter().flat_map(|word| [word.as_slice(), b"\0"].concat()).collect();
        for shell in shells() {
            assert_eq!(run(shell, &script).expect("the shell was there"), expected, "{shell:?} {words:?}");
        }
    }

    #[test]
    fn what_a_shell_knows_is_only_text() {
        let words = ["", "'", "''", "$(id)", "`id`", "\\", "a b", "*", "\n", "#", "-n", "~", "'; id; '", "ü"];
        check(&words.map(|word| word.as_bytes().to_vec()));
        check(&(1..=255_u8).map(|byte| vec![byte]).collect::<Vec<_>>());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_come_back(words in proptest::collection::vec(proptest::collection::vec(1..=255_u8, 0..40), 1..20)) {
            check(&words);
        }
    }
}
