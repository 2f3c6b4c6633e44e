//! Results as a picture: a bar for each peer, on a logarithmic scale, from our time to the peer's. A bar to the right belongs to
//! a peer that is slower than we are, one to the left to a faster one; the marks stand where a peer's bar has to reach.

use std::fmt::Write as _;

use crate::{
    marks::short,
    measure::{Measured, Result},
};

const WIDTH: f64 = 920.0;
const MARGIN: f64 = 28.0;
/// Where the bars are; names to the left, numbers to the right.
const LEFT: f64 = 250.0;
const RIGHT: f64 = 710.0;
const TOP: f64 = 104.0;
const ROW: f64 = 22.0;
const BAR: f64 = 12.0;
/// Above the first row of a work, for its title, and below its last.
const HEAD: f64 = 30.0;
const FOOT: f64 = 16.0;

/// Colours that are told apart without colour vision, too: one is dark, one is light.
const SLOWER: &str = "#2f6f9f";
const FASTER: &str = "#e8a33d";
const INK: &str = "#1f2933";
const PALE: &str = "#6b7785";
const GRID: &str = "#e3e7eb";

const STYLE: &str = "
text { font-family: -apple-system, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif; font-size: 12px; }
.title { font-size: 18px; font-weight: 600; }
.work { font-size: 13px; font-weight: 600; }
.small { font-size: 11px; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.number { font-variant-numeric: tabular-nums; text-anchor: end; }
";

pub(crate) fn draw(title: &str, works: &[Measured]) -> String {
    let scale = Scale::of(works);
    let height = TOP + works.iter().map(height_of).sum::<f64>() + MARGIN;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">"#
    );
    let _ = writeln!(svg, "<title>{}</title>\n<style>{STYLE}</style>", escape(title));
    let _ = writeln!(svg, r##"<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>"##);
    text(&mut svg, MARGIN, 36.0, "title", INK, title);
    legend(&mut svg);
    grid(&mut svg, &scale, height);
    let mut y = TOP;
    for work in works {
        draw_work(&mut svg, &scale, work, y);
        y += height_of(work);
    }
    svg += "</svg>\n";
    svg
}

fn height_of(work: &Measured) -> f64 {
    HEAD + ROW * work.peers.len() as f64 + FOOT
}

/// Where a ratio lies. The scale is logarithmic and the same for all works of a picture.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn of(works: &[Measured]) -> Self {
        let marks =
            works.iter().flat_map(|work| work.peers.iter().flat_map(|peer| marks_of(work, peer)).map(|(at, _)| at));
        let ratios = works.iter().flat_map(|work| work.peers.iter().map(|peer| peer.ratio.median));
        let (mut low, mut high): (f64, f64) = (0.8, 2.0);
        for at in marks.chain(ratios).filter(|at| at.is_finite() && *at > 0.0) {
            low = low.min(at * 0.9);
            high = high.max(at * 1.1);
        }
        Self { low: low.max(0.01), high: high.min(1000.0) }
    }

    fn x(&self, ratio: f64) -> f64 {
        let ratio = ratio.clamp(self.low, self.high);
        LEFT + (RIGHT - LEFT) * (ratio / self.low).ln() / (self.high / self.low).ln()
    }

    /// Round numbers on the scale, not too close to each other.
    fn steps(&self) -> Vec<f64> {
        let all = (-2..=3).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
        let inside: Vec<f64> = all.filter(|at| (self.low..=self.high).contains(at)).collect();
        if inside.len() <= 10 {
            return inside;
        }
        inside.into_iter().filter(|at| at.log10().fract().abs() < 1e-9).collect()
    }
}

/// Where the marks of a peer's bar are, and whether each is the goal.
fn marks_of(work: &Measured, peer: &Result) -> Vec<(f64, bool)> {
    let mut all = Vec::new();
    for (land, goal) in work.marks.iter().filter_map(|mark| mark.on_bar(peer)) {
        all.extend(land.map(|at| (at, false)));
        all.extend(goal.map(|at| (at, true)));
    }
    all
}

fn legend(svg: &mut String) {
    let y = 62.0;
    let mut x = MARGIN;
    let mut entry = |svg: &mut String, shape: &str, width: f64, words: &str| {
        let _ = writeln!(svg, r#"<g transform="translate({x} {y})">{shape}</g>"#);
        text(svg, x + width + 6.0, y + 4.0, "small", PALE, words);
        x += width + 6.0 + 6.1 * words.chars().count() as f64 + 18.0;
    };
    let bar = |fill: &str| format!(r#"<rect y="-6" width="24" height="12" rx="2" fill="{fill}"/>"#);
    entry(svg, &bar(SLOWER), 24.0, "slower than ours");
    entry(svg, &bar(FASTER), 24.0, "faster");
    entry(svg, &mark_shape(false), 8.0, "land: the bar reaches here");
    entry(svg, &mark_shape(true), 8.0, "goal");
    let _ = writeln!(svg, r#"<g transform="translate({x} {y})">{}</g>"#, whisker(0.0, 20.0));
    text(svg, x + 26.0, y + 4.0, "small", PALE, "middle half of the rounds");
}

/// A triangle that stands on the bar: hollow for `land`, filled for the goal. Its tip is at 0.
fn mark_shape(goal: bool) -> String {
    let fill = if goal { INK } else { "#ffffff" };
    format!(r#"<path d="M0 -2 l4.5 -8 h-9 z M0 -2 v10" fill="{fill}" stroke="{INK}" stroke-width="1.2"/>"#)
}

fn whisker(from: f64, to: f64) -> String {
    format!(
        r#"<path d="M{from:.1} 0 H{to:.1} M{from:.1} -3 v6 M{to:.1} -3 v6" stroke="{INK}" stroke-width="1" fill="none"/>"#
    )
}

fn grid(svg: &mut String, scale: &Scale, height: f64) {
    for step in scale.steps() {
        let (x, one) = (scale.x(step), step == 1.0);
        let (stroke, width) = if one { (INK, 1.2) } else { (GRID, 1.0) };
        let bottom = height - MARGIN;
        let _ = writeln!(svg, r#"<path d="M{x:.1} {TOP} V{bottom}" stroke="{stroke}" stroke-width="{width}"/>"#);
        let words = if one { "1 = ours".to_owned() } else { format!("{step}") };
        text(svg, x, TOP - 6.0, "small middle", if one { INK } else { PALE }, &words);
    }
}

fn draw_work(svg: &mut String, scale: &Scale, work: &Measured, top: f64) {
    // White behind the title, so that the grid does not run through it.
    let _ = writeln!(svg, r##"<rect x="0" y="{}" width="{WIDTH}" height="22" fill="#ffffff"/>"##, top + 6.0);
    text(svg, MARGIN, top + 21.0, "work", INK, work.title);
    for (i, peer) in work.peers.iter().enumerate() {
        let y = top + HEAD + ROW * (i as f64 + 0.5);
        draw_row(svg, scale, work, peer, i == 0, y);
    }
}

fn draw_row(svg: &mut String, scale: &Scale, work: &Measured, peer: &Result, ours: bool, y: f64) {
    let colour = if ours { INK } else { PALE };
    text(svg, LEFT - 14.0, y + 4.0, "end", colour, peer.name);
    let time = format!("{} ns", short(peer.nanoseconds.median));
    text(svg, WIDTH - MARGIN, y + 4.0, "number", colour, &time);
    if ours {
        let _ = writeln!(svg, r#"<circle cx="{:.1}" cy="{y}" r="5" fill="{INK}"/>"#, scale.x(1.0));
        let words = format!("{} allocations a {}", short(peer.allocations), work.unit);
        text(svg, scale.x(1.0) + 12.0, y + 4.0, "small", PALE, &words);
        return;
    }
    let ratio = peer.ratio.median;
    let (from, to) = (scale.x(1.0).min(scale.x(ratio)), scale.x(1.0).max(scale.x(ratio)));
    let fill = if ratio >= 1.0 { SLOWER } else { FASTER };
    let (bar_top, width) = (y - BAR / 2.0, (to - from).max(1.0));
    let _ =
        writeln!(svg, r#"<rect x="{from:.1}" y="{bar_top}" width="{width:.1}" height="{BAR}" rx="2" fill="{fill}"/>"#);
    let spread = whisker(scale.x(peer.ratio.low), scale.x(peer.ratio.high));
    let _ = writeln!(svg, r#"<g transform="translate(0 {y})">{spread}</g>"#);
    for (at, goal) in marks_of(work, peer) {
        let _ = writeln!(svg, r#"<g transform="translate({:.1} {})">{}</g>"#, scale.x(at), y, mark_shape(goal));
    }
    let words = format!("{}\u{d7}", short(ratio));
    text(svg, WIDTH - MARGIN - 90.0, y + 4.0, "number", INK, &words);
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, fill: &str, words: &str) {
    let _ = writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" class="{class}" fill="{fill}">{}</text>"#, escape(words));
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
