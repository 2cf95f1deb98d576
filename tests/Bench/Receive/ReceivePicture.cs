using System.Globalization;
using System.Net;
using System.Text;

namespace Accelerated.Bench.Receive;

/// <summary>A report as a picture (SVG 1.1): what is delivered of what is offered, and what is kept of a flow beside a flood; a line for each arm.</summary>
internal static class ReceivePicture
{
    private const int Width = 960, Left = 70, PlotWidth = 620, PlotHeight = 260, LineHeight = 18;

    /// <summary>The whole file.</summary>
    public static string Draw(ReceiveReport report)
    {
        var body = new StringBuilder();
        Text(body, 24, 30, "Receiving VXLAN on one CPU", "title");
        Text(body, 24, 50, report.Machine.ToString(), "small");
        Text(body, 24, 68, string.Create(CultureInfo.InvariantCulture, $"median of {report.Rounds} rounds, {report.Seconds} s each step; {report.Time:yyyy-MM-dd}"), "small");
        var rates = report.Samples.Where(s => !s.IsFlood).GroupBy(s => s.Arm).Select(arm => new Line(
            ReceiveArm.All.Single(a => a.Name == arm.Key).Title, Colour(arm.Key),
            [.. arm.GroupBy(s => s.LegitimateStep + s.ForgedStep).Select(step => (Median(step.Select(s => s.Rate / 1000)), Median(step.Select(s => s.Delivered / s.Seconds / 1000)))).Order()])).ToList();
        // An arm without a guard has no rate of its own.
        if (rates.Count > 0)
            Plot(body, 110, "delivered to the container (bare XDP_DROP: dropped), thousand packets a second", "offered, thousand packets a second", rates, percent: false);
        var floods = report.Floods.GroupBy(f => f.Arm).Select(arm => new Line(
            "guard: " + ReceiveArm.All.Single(a => a.Name == arm.Key).Guard, Colour(arm.Key), [.. arm.Select(f => (f.Forged.Median, 100 * f.Kept.Median)).Order()])).ToList();
        Plot(body, 110 + PlotHeight + 110, "kept of a flow of 50 thousand packets a second, %", "forged packets beside it, thousand a second", floods, percent: true);
        const int height = 110 + (2 * (PlotHeight + 110));
        return $$"""
            <svg xmlns="http://www.w3.org/2000/svg" width="{{Width}}" height="{{height}}" viewBox="0 0 {{Width}} {{height}}">
            <style>
              text { font: 13px sans-serif; fill: #222 }
              .title { font-size: 17px; font-weight: bold }
              .case { font-weight: bold }
              .small { font-size: 12px; fill: #555 }
              .axis { stroke: #999 }
            </style>
            <rect width="100%" height="100%" fill="white"/>
            {{body}}</svg>

            """;
    }

    private static void Plot(StringBuilder body, int top, string title, string below, IReadOnlyList<Line> lines, bool percent)
    {
        var (mostX, mostY) = (lines.Max(l => l.Points.Max(p => p.X)), percent ? 100 : lines.Max(l => l.Points.Max(p => p.Y)));
        Text(body, 24, top, title, "case");
        top += LineHeight;
        for (var i = 0; i <= 4; i++)
        {
            var (x, y) = (X(mostX * i / 4), Y(mostY * i / 4));
            body.Append(CultureInfo.InvariantCulture, $"""<line class="axis" x1="{Left}" y1="{y:0.0}" x2="{Left + PlotWidth}" y2="{y:0.0}"/>""").Append('\n');
            Text(body, Left - 8, y + 4, Tables.Figure(mostY * i / 4), "small", "end");
            Text(body, x, top + PlotHeight + LineHeight, Tables.Figure(mostX * i / 4), "small", "middle");
        }

        Text(body, Left + (PlotWidth / 2), top + PlotHeight + (2 * LineHeight), below, "small", "middle");
        foreach (var (line, i) in lines.Select((line, i) => (line, i)))
        {
            var points = string.Join(' ', line.Points.Select(p => string.Create(CultureInfo.InvariantCulture, $"{X(p.X):0.0},{Y(p.Y):0.0}")));
            body.Append(CultureInfo.InvariantCulture, $"""<polyline points="{points}" fill="none" stroke="{line.Colour}" stroke-width="2.5"/>""").Append('\n');
            var y = top + 10 + (i * LineHeight);
            body.Append(CultureInfo.InvariantCulture, $"""<line x1="{Left + PlotWidth + 16}" y1="{y}" x2="{Left + PlotWidth + 40}" y2="{y}" stroke="{line.Colour}" stroke-width="2.5"/>""").Append('\n');
            Text(body, Left + PlotWidth + 48, y + 4, line.Title, "small");
        }

        double X(double value) => Left + (PlotWidth * value / mostX);
        double Y(double value) => top + PlotHeight - (PlotHeight * value / mostY);
    }

    private static string Colour(string arm) => ReceiveArm.All.Single(a => a.Name == arm).Agents.Colour;

    private static double Median(IEnumerable<double> values) => Spread.Of(values).Median;

    private static void Text(StringBuilder body, double x, double y, string text, string? kind, string anchor = "start") => body.Append(
        CultureInfo.InvariantCulture, $"""<text x="{x:0.0}" y="{y:0.0}" text-anchor="{anchor}"{(kind is null ? "" : $" class=\"{kind}\"")}>{WebUtility.HtmlEncode(text)}</text>""").Append('\n');

    private sealed record Line(string Title, string Colour, IReadOnlyList<(double X, double Y)> Points);
}
