//! Results as text: a Markdown table for each work, with its marks below.

use std::fmt::Write as _;

use crate::{
    marks::short,
    measure::{Measured, Spread},
};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Style {
    Terminal,
    Markdown,
}

pub(crate) fn work(result: &Measured, style: Style) -> String {
    let unit = result.unit;
    let has_instructions = result.peers.iter().any(|peer| peer.instructions.is_some());
    let mut head =
        vec![String::new(), format!("ns a {unit}"), "against ours".into(), "allocations".into(), "bytes".into()];
    if has_instructions {
        head.push("instructions".into());
    }
    let mut rows = vec![head];
    for (i, peer) in result.peers.iter().enumerate() {
        let name = if i == 0 && style == Style::Markdown { format!("**{}**", peer.name) } else { peer.name.to_owned() };
        let ratio = if i == 0 { "1".into() } else { spread(peer.ratio) };
        let mut row = vec![name, short(peer.nanoseconds.median), ratio, short(peer.allocations), short(peer.bytes)];
        if has_instructions {
            row.push(peer.instructions.map_or(String::new(), short));
        }
        rows.push(row);
    }
    let mut text = String::new();
    let heading = if style == Style::Markdown { "## " } else { "" };
    let _ = writeln!(text, "{heading}{}\n", result.title);
    text += &table(&rows);
    if !result.marks.is_empty() {
        text.push('\n');
    }
    for mark in &result.marks {
        let line = mark.text(result);
        let line = if style == Style::Terminal { line.replace("**", "") } else { line };
        let _ = writeln!(text, "- {line}");
    }
    text
}

/// The median and the middle half.
fn spread(spread: Spread) -> String {
    let Spread { low, median, high } = spread;
    format!("{} ({} to {})", short(median), short(low), short(high))
}

/// A Markdown table whose columns are aligned; the first to the left, the others to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows[0].len();
    let widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0).max(3)).collect();
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        for (c, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[c] - cell.chars().count());
            let _ = if c == 0 { write!(text, "| {cell}{pad} ") } else { write!(text, "| {pad}{cell} ") };
        }
        text += "|\n";
        if i == 0 {
            for (c, width) in widths.iter().enumerate() {
                let line = "-".repeat(width - 1);
                let _ = if c == 0 { write!(text, "| {line}- ") } else { write!(text, "| {line}: ") };
            }
            text += "|\n";
        }
    }
    text
}
