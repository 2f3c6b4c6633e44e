//! Tables on the terminal: columns as wide as their widest cell.

/// The rows as lines, the first row being the header.
pub(crate) fn render<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += &format!("  {}\n", cells.join("  ").trim_end());
        if i == 0 {
            text += &format!("  {}\n", widths.map(|width| "-".repeat(width)).join("  "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "b"], ["long", "x"]].map(|row| row.map(str::to_owned));
        assert_eq!(render(&rows), "  a     b\n  ----  -\n  long  x\n");
    }
}
