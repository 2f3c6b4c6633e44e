//! Takes Rust source apart into code and comments, line by line, without parsing it.
//!
//! What stands in string and character literals is blanked out of the code, so that a rule that looks for a word does not find
//! it in a message.

/// A Rust file.
pub(super) struct Source {
    pub(super) lines: Vec<Line>,
}

/// A line of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The code, with comments left out and literals blanked.
    pub(super) code: String,
    /// The comment with its marker (`//`, `///`, `/*`), empty if there is none.
    pub(super) comment: String,
}

/// Where the scanner is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    String { raw: Option<usize> },
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut lines = Vec::new();
        let mut line = Line::default();
        let mut state = State::Code;
        let mut i = 0;
        while i < chars.len() {
            let c = chars[i];
            if c == '\n' {
                lines.push(std::mem::take(&mut line));
                if state == State::LineComment {
                    state = State::Code;
                }
                i += 1;
                continue;
            }
            let (next, taken) = step(state, &chars[i..], &line.code);
            let piece = chars[i..i + taken].iter();
            match (state, next) {
                (State::LineComment | State::BlockComment { .. }, _)
                | (_, State::LineComment | State::BlockComment { .. }) => {
                    line.comment.extend(piece);
                }
                // The quotes stay, so that a literal is still seen to be there.
                (State::String { .. }, State::Code) => {
                    line.code.extend(piece.map(|c| if *c == '"' { '"' } else { ' ' }))
                }
                (State::String { .. }, _) => line.code.extend(piece.map(|_| ' ')),
                (State::Code, State::Code) if taken > 1 => line.code.extend(piece.map(|_| ' ')),
                (State::Code, _) => line.code.extend(piece),
            }
            state = next;
            i += taken;
        }
        lines.push(line);
        Self { lines }
    }

    /// The lines with their numbers from 1.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines.iter().enumerate().map(|(i, line)| (i + 1, line))
    }
}

impl Line {
    /// A comment and no code.
    pub(super) fn is_comment(&self) -> bool {
        self.code.trim().is_empty() && !self.comment.is_empty()
    }

    /// The comment without its marker.
    pub(super) fn comment_text(&self) -> &str {
        self.comment.trim_start_matches(['/', '!', '*']).trim()
    }
}

/// What comes next at the head of `rest`: the state behind it, and how many characters it takes. `before` is the line's code so far.
fn step(state: State, rest: &[char], before: &str) -> (State, usize) {
    let starts = |pattern: &str| pattern.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c));
    match state {
        State::LineComment => (state, 1),
        State::BlockComment { depth } if starts("*/") => {
            (if depth == 1 { State::Code } else { State::BlockComment { depth: depth - 1 } }, 2)
        }
        State::BlockComment { depth } if starts("/*") => (State::BlockComment { depth: depth + 1 }, 2),
        State::BlockComment { .. } => (state, 1),
        State::String { raw: None } if starts("\\") => {
            (state, if rest.get(1).is_some_and(|c| *c != '\n') { 2 } else { 1 })
        }
        State::String { raw } if starts("\"") => {
            let hashes = raw.unwrap_or(0);
            let closed = rest[1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
            if closed { (State::Code, 1 + hashes) } else { (state, 1) }
        }
        State::String { .. } => (state, 1),
        State::Code if starts("//") => (State::LineComment, 2),
        State::Code if starts("/*") => (State::BlockComment { depth: 1 }, 2),
        State::Code if starts("\"") => (State::String { raw: None }, 1),
        State::Code if starts("'") => (state, char_literal(rest)),
        State::Code if starts("r") && !before.ends_with(is_name_but_not_prefix) => match raw_string(rest) {
            Some((hashes, taken)) => (State::String { raw: Some(hashes) }, taken),
            None => (state, 1),
        },
        State::Code => (state, 1),
    }
}

/// Before the `r` of a raw string may stand a `b` or `c`, and no other part of a name.
fn is_name_but_not_prefix(c: char) -> bool {
    (c.is_alphanumeric() || c == '_') && c != 'b' && c != 'c'
}

/// The length of the character literal at the head of `rest`; 1 if the quote is a lifetime's or a label's.
fn char_literal(rest: &[char]) -> usize {
    if rest.get(1) == Some(&'\\') {
        // The third character belongs to the escape, whatever it is.
        let end = rest.iter().skip(3).position(|c| *c == '\'' || *c == '\n');
        return end.map_or(1, |end| end + 4);
    }
    if rest.get(2) == Some(&'\'') { 3 } else { 1 }
}

/// The hashes of the raw string that begins at the head of `rest`, and the length of its beginning.
fn raw_string(rest: &[char]) -> Option<(usize, usize)> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    (rest.get(1 + hashes) == Some(&'"')).then_some((hashes, 2 + hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(String, String)> {
        Source::new(text).lines.into_iter().map(|line| (line.code, line.comment)).collect()
    }

    fn line(code: &str, comment: &str) -> (String, String) {
        (code.to_owned(), comment.to_owned())
    }

    #[test]
    fn comments_are_told_from_code() {
        assert_eq!(split("a // b\n/// c"), [line("a ", "// b"), line("", "/// c")]);
        assert_eq!(split("a /* b /* c */\nd */ e"), [line("a ", "/* b /* c */"), line(" e", "d */")]);
    }

    #[test]
    fn literals_are_blanked() {
        assert_eq!(split(r#"f("a // b", 'c', '"')"#), [line(r#"f("      ",    ,    )"#, "")]);
        assert_eq!(split(r#""a\"b\\" c"#), [line(r#""      " c"#, "")]);
    }

    #[test]
    fn raw_strings_end_at_their_hashes() {
        assert_eq!(split("r#\"a\" // \"# b"), [line("r#\"      \"  b", "")]);
        assert_eq!(split("br\"\\\" c // d"), [line("br\" \" c ", "// d")]);
        assert_eq!(split("r#type // x"), [line("r#type ", "// x")]);
        assert_eq!(split("for\"x\""), [line("for\" \"", "")]);
    }

    #[test]
    fn lifetimes_and_labels_are_no_characters() {
        assert_eq!(split("&'a str // x"), [line("&'a str ", "// x")]);
        assert_eq!(split("'l: loop { '\\'' } // x"), [line("'l: loop {      } ", "// x")]);
        assert_eq!(split("('\\u{1F600}', '/') //"), [line("(           ,    ) ", "//")]);
    }

    #[test]
    fn a_string_may_span_lines() {
        assert_eq!(split("\"a\n// b\" c"), [line("\" ", ""), line("    \" c", "")]);
        assert_eq!(split("\"a\\\n  // b\" c"), [line("\"  ", ""), line("      \" c", "")]);
    }
}
