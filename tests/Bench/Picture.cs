using System.Globalization;
using System.Net;
using System.Text;

namespace Accelerated.Bench;

/// <summary>
/// A report as a picture (SVG 1.1): for each case a bar per arm, as long as the median; a line from least to most; and where lanes 1+2
/// have a floor, a dashed line at what they have to reach.
/// </summary>
internal static class Picture
{
    private const int Width = 960, Margin = 24, Labels = 150, Figures = 330, LineHeight = 18, BarHeight = 20, BarGap = 5, PanelGap = 22;
    private const int BarsLeft = Margin + Labels, BarsWidth = Width - BarsLeft - Figures - Margin;

    // Where the columns of figures begin.
    private const int ValueColumn = BarsLeft + BarsWidth + 12, RatioColumn = ValueColumn + 150, CpuColumn = RatioColumn + 56;


    /// <summary>The whole file.</summary>
    public static string Draw(Report report)
    {
        var body = new StringBuilder();
        var top = Margin + LineHeight;
        Text(body, Margin, top, "Between two containers on two hosts: who carries how much", "title");
        Text(body, Margin, top += LineHeight + 4, report.Machine.ToString(), "small");
        Text(body, Margin, top += LineHeight, string.Create(CultureInfo.InvariantCulture,
            $"median of {report.Rounds} x {report.Seconds} s, line: least to most; ratio: to kernel vxlan in the same round; {report.Time:yyyy-MM-dd}"), "small");
        foreach (var measured in Case.All.Where(c => report.Rows.Any(r => r.Case == c.Id)))
            top = Panel(body, top + PanelGap, measured, [.. report.Rows.Where(r => r.Case == measured.Id)]);
        return $"""
            <svg xmlns="http://www.w3.org/2000/svg" width="{Width}" height="{top + Margin}" viewBox="0 0 {Width} {top + Margin}">
            <style>
              text {"{"} font: 13px sans-serif; fill: #222 {"}"}
              .title {"{"} font-size: 17px; font-weight: bold {"}"}
              .case {"{"} font-weight: bold {"}"}
              .small {"{"} font-size: 12px; fill: #555 {"}"}
              .floor {"{"} stroke: #222; stroke-dasharray: 4 3 {"}"}
              .spread {"{"} stroke: #222; stroke-width: 1.5 {"}"}
            </style>
            <rect width="100%" height="100%" fill="white"/>
            {body}</svg>

            """;
    }

    private static int Panel(StringBuilder body, int top, Case measured, Row[] rows)
    {
        var driver = rows.SingleOrDefault(r => r.Arm == Arm.Reference);
        var floor = driver?.Value.Median * measured.Floor.Ratio;
        // The longest line ends where the bars' space ends.
        var scale = BarsWidth / Math.Max(rows.Max(r => r.Value.Most), floor ?? 0);
        var better = measured.Floor.LowerIsBetter ? "less is better" : "more is better";
        Text(body, Margin, top + 13, $"{measured.Title}, {measured.Unit} ({better})", "case");
        Text(body, ValueColumn, top + 13, "median (least-most)", "small");
        Text(body, RatioColumn, top + 13, "ratio", "small");
        Text(body, CpuColumn, top + 13, $"CPU {measured.CpuUnit}", "small");
        var first = top + LineHeight + 2;
        var y = first;
        foreach (var row in rows)
        {
            var middle = y + (BarHeight / 2);
            var arm = Arm.All.Single(a => a.Name == row.Arm);
            Text(body, Margin, middle + 4, arm.Title, null);
            body.Append(CultureInfo.InvariantCulture,
                $"""<rect x="{BarsLeft}" y="{y}" width="{row.Value.Median * scale:0.0}" height="{BarHeight}" fill="{arm.Colour}"/>""").Append('\n');
            Line(body, "spread", BarsLeft + (row.Value.Least * scale), middle, BarsLeft + (row.Value.Most * scale), middle);
            Text(body, ValueColumn, middle + 4, $"{Tables.Figure(row.Value.Median)} ({Tables.Figure(row.Value.Least)}-{Tables.Figure(row.Value.Most)})", null);
            if (row.Ratio is not null)
                Text(body, RatioColumn, middle + 4, string.Create(CultureInfo.InvariantCulture, $"{row.Ratio.Median:0.00}"), null);
            Text(body, CpuColumn, middle + 4, Tables.Figure(row.CpuNanoseconds.Median), null);
            y += BarHeight + BarGap;
        }

        if (floor is { } at)
        {
            var x = BarsLeft + (at * scale);
            Line(body, "floor", x, first - 2, x, y);
            Text(body, x - 4, y + 10, string.Create(CultureInfo.InvariantCulture, $"lanes 1+2: {measured.Floor} x kernel vxlan"), "small", anchor: "end");
            y += LineHeight;
        }

        return y;
    }

    private static void Line(StringBuilder body, string kind, double x1, double y1, double x2, double y2) => body.Append(
        CultureInfo.InvariantCulture, $"""<line class="{kind}" x1="{x1:0.0}" y1="{y1:0.0}" x2="{x2:0.0}" y2="{y2:0.0}"/>""").Append('\n');

    private static void Text(StringBuilder body, double x, double y, string text, string? kind, string anchor = "start") => body.Append(
        CultureInfo.InvariantCulture, $"""<text x="{x:0.0}" y="{y:0.0}" text-anchor="{anchor}"{(kind is null ? "" : $" class=\"{kind}\"")}>{WebUtility.HtmlEncode(text)}</text>""").Append('\n');
}
