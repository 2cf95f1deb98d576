using System.Net;
using System.Xml.Linq;
using Accelerated.Bench;
using Accelerated.Bench.Receive;
using Accelerated.Interop;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Bench;

/// <summary>The benchmark of the receiving side sends what it says, and judges by the median.</summary>
[Collection(BenchRun.OneAtATime)]
public sealed class ReceiveBenchTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly DateTimeOffset Day = new(2026, 11, 22, 0, 0, 0, TimeSpan.Zero);
    private static readonly Machine Some = new("veth", "6.18", 2, "some");

    [Fact]
    public async Task Receive_WithoutAGuard_DeliversTheFloodAndWritesFiguresAndPicture()
    {
        using var run = await BenchRun.OfAsync(Output, "receive", "--lab", NewLabName(), "--rounds", "1", "--steps", "2", "--arms", "none", "--force", "1");

        var samples = run.Figures["samples"]!.AsArray();
        Assert.Equal(2, samples.Count);
        Assert.All(samples, s => Assert.InRange((double)s!["flow"]!, 1, (double)s["sentLegitimate"]!));
        Assert.Equal(0, (double)samples[0]!["forged"]!);
        Assert.InRange((double)samples[1]!["forged"]!, 1, (double)samples[1]!["sentForged"]!);
        Assert.Equal("svg", run.Picture.Root!.Name.LocalName);
    }

    [Theory]
    [InlineData(new[] { 0.89, 0.95, 0.91 }, false)]
    [InlineData(new[] { 0.89, 0.95, 0.88 }, true)]
    public void Report_TheMedianRatioOfTheLargestFlood_DecidesOnTheFloor(double[] kept, bool misses)
    {
        var samples = kept.SelectMany((share, i) => ReceiveStep.Floods.SelectMany(step => (ReceiveSample[])[
            Flood(i + 1, "drop", step.Forged, 800), Flood(i + 1, "xdp", step.Forged, step.Forged is null ? (ulong)(share * 800) : 800)]));

        var report = ReceiveReport.Of(Day, Some, 3, 1, 0, [.. samples, .. Rates("drop", 1, 1), .. Rates("xdp", 1, 1)]);

        Assert.Equal(misses, report.MissesTheFloor);
        Assert.Contains(misses ? "NOT MET" : ": met", string.Join('\n', report.Show()), StringComparison.Ordinal);
        Assert.Equal("svg", XDocument.Parse(ReceivePicture.Draw(report)).Root!.Name.LocalName);
    }

    [Fact]
    public void Report_RateWithoutLoss_IsTheHighestOfThose()
    {
        // 100, 200, 300 thousand; the third loses one in a hundred, and is the most all the same.
        var report = ReceiveReport.Of(Day, Some, 1, 1, 0, [.. Rates("tc", 1, 1, 0.99), .. ReceiveStep.Floods.Select(f => Flood(1, "tc", f.Forged, 1000))]);

        var row = Assert.Single(report.Rates);
        Assert.Equal((200, 297), (row.WithoutLoss!.Median, row.Most.Median));
        Assert.False(report.MissesTheFloor);
    }

    [Fact]
    public void Frame_IsWhatAVtepSends()
    {
        var outer = new FloodEnds(MacAddress.Parse("02:00:00:00:00:01"), IPAddress.Parse("192.0.2.1"), MacAddress.Parse("02:00:00:00:00:02"), IPAddress.Parse("192.0.2.2"));
        var inner = new FloodEnds(MacAddress.Parse("02:00:00:00:00:03"), IPAddress.Parse("10.5.1.2"), MacAddress.Parse("02:00:00:00:00:04"), IPAddress.Parse("10.5.2.2"));

        var made = FloodFrame.Of(outer, inner, 9001);
        ReadOnlySpan<byte> frame = made;

        Assert.Equal(
            "020000000002" + "020000000001" + "0800"
            + "45000064" + "00004000" + "4011" + "b685" + "c0000201" + "c0000202"
            + "c000" + "2118" + "0050" + "0000" + "0800000000000100"
            + "020000000004" + "020000000003" + "0800"
            + "45000032" + "00004000" + "4011" + "23ae" + "0a050102" + "0a050202"
            + "2329" + "2329" + "001e" + "0000" + new string('0', 44),
            Convert.ToHexStringLower(frame));
    }

    private static IEnumerable<ReceiveSample> Rates(string arm, params double[] shares) => shares.Select((share, i) =>
    {
        var sent = (ulong)(i + 1) * 100_000;
        return new ReceiveSample(1, arm, IsFlood: false, (i + 1) * 100, 0, 1, sent, 0, (ulong)(sent * share), 0, 0, 1000);
    });

    private static ReceiveSample Flood(int round, string arm, int? forged, ulong flow) =>
        new(round, arm, IsFlood: true, 50, forged, 1, 1000, (ulong)(forged ?? 3000) * 1000, flow, 0, 0, 1000);
}
