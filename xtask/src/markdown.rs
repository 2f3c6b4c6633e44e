//! Reads Markdown just far enough to tell listings from prose.

/// The lines outside fenced blocks, with their numbers from 1.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<String> = None;
    text.lines().enumerate().filter_map(move |(i, line)| {
        let start = line.trim_start();
        let ticks: String = start.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if ticks.len() >= open.len() && start.trim_end() == ticks => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => return Some((i + 1, line)),
        }
        None
    })
}

/// Whether rustdoc would find a listing to compile.
pub(crate) fn has_rust(text: &str) -> bool {
    text.lines().any(|line| {
        line.trim_start().strip_prefix("```").is_some_and(|info| {
            let language = info.split([',', ' ', '{']).next().unwrap_or_default();
            // An unmarked block would count too, but a closing fence looks the same: our listings are marked.
            language == "rust" || language.starts_with("edition")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_leaves_out_fenced_blocks_of_any_length() {
        let text = "a\n```text\nb\n```\nc\n````\n```\nd\n````\ne";
        assert_eq!(prose(text).collect::<Vec<_>>(), [(1, "a"), (5, "c"), (10, "e")]);
    }

    #[test]
    fn a_rust_listing_is_recognised() {
        assert!(has_rust("x\n```rust,no_run\n"));
        assert!(!has_rust("```sh\nrust\n```\n"));
    }
}
