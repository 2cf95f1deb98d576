using System.Collections.Immutable;
using Accelerated.Bench;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Bench;

/// <summary>The benchmark measures what it says, judges by the median, and refuses figures of another arm.</summary>
[Collection(BenchRun.OneAtATime)]
public sealed class BenchTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly Case Stream = Case.All[0];
    private static readonly Passage Nothing = new(0, 0, 0, ImmutableSortedDictionary<string, long>.Empty);

    [Fact]
    public async Task Datapath_OneShortRound_WritesFiguresAndPicture()
    {
        using var run = await BenchRun.OfAsync(Output, "datapath", "--lab", NewLabName(), "--rounds", "1", "--arms", "bare,host-gw,kernel", "--workloads", "rr,service");

        var report = run.Figures;
        Assert.Equal("veth", (string?)report["label"]);
        // Hosts have no service among themselves: five figures of six.
        Assert.Equal(5, report["samples"]!.AsArray().Count);
        Assert.All(report["rows"]!.AsArray(), row => Assert.InRange((double)row!["value"]!["median"]!, 0.01, 1e6));
        Assert.All(report["verdicts"]!.AsArray(), verdict => Assert.NotNull(verdict!["skipped"]));
        Assert.Equal("svg", run.Picture.Root!.Name.LocalName);
    }

    [Fact]
    public void Fault_PacketsOfAnotherCarrier_IsNamedForEveryArm()
    {
        var driver = Nothing with { Containers = 1000, Underlay = 1000, Driver = 1000 };
        var lane1 = driver with { Driver = 0, Lanes = Nothing.Lanes.Add("1 out", 1000) };
        var lanes = driver with { Driver = 0, Lanes = Nothing.Lanes.Add("1 out", 100).Add("2 out", 900) };
        var plain = driver with { Driver = 0 };
        string[] Right(Passage passage) => [.. Arm.All.Where(a => passage.Fault(a, Stream) is null).Select(a => a.Name)];

        Assert.Equal(["bare", "host-gw"], Right(plain));
        Assert.Equal(["kernel"], Right(driver));
        Assert.Equal(["lane1"], Right(lane1));
        Assert.Equal(["lanes"], Right(lanes));
        Assert.Contains("lane 2", lane1.Fault(Arm.All.Single(a => a.Name == "lanes"), Stream), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new[] { 10.0, 10, 10 }, new[] { 12.0, 13, 9 }, true)]
    [InlineData(new[] { 10.0, 10, 10 }, new[] { 11.9, 30, 9 }, false)]
    public void Judge_TheMedianRatio_DecidesOnTheFloor(double[] driver, double[] lanes, bool met)
    {
        var rows = Results.Rows([.. Samples("kernel", driver), .. Samples("lanes", lanes)]);

        var verdict = Results.Judge(rows).Single(v => v.Case == Stream.Id);

        Assert.Equal(met, verdict.Met);
        Assert.All(Results.Judge(rows).Where(v => v.Case != Stream.Id), v => Assert.Contains("WORKLOADS", v.Skipped, StringComparison.Ordinal));
    }

    [Fact]
    public void Judge_AnArmThatWasNotRun_IsSkippedAndSaidWhy()
    {
        var withoutLanes = Results.Judge(Results.Rows([.. Samples("kernel", [1])]));
        var withoutDriver = Results.Judge(Results.Rows([.. Samples("lanes", [1])]));

        Assert.All(withoutLanes, v => Assert.Equal((null, "the arm 'lanes' was not run (ARMS)"), (v.Met, v.Skipped)));
        Assert.Equal("the arm 'kernel' was not run (ARMS)", withoutDriver.Single(v => v.Case == Stream.Id).Skipped);
    }

    [Theory]
    [InlineData("ROUNDS", "0", "1", "all", "all", "1")]
    [InlineData("SECONDS", "1", "x", "all", "all", "1")]
    [InlineData("ARMS", "1", "1", "lane3", "all", "1")]
    [InlineData("WORKLOADS", "1", "1", "all", "", "1")]
    [InlineData("GATE", "1", "1", "all", "all", "yes")]
    public void Options_BadValue_NamesTheVariable(string variable, string rounds, string seconds, string arms, string workloads, string gate)
    {
        var e = Assert.Throws<LabException>(() => BenchOptions.Read("lab", rounds, seconds, "0", arms, workloads, gate, output: null));
        Assert.StartsWith($"{variable}=", e.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<Sample> Samples(string arm, double[] values) =>
        values.Select((value, i) => new Sample(i + 1, arm, Stream.Id, value, 1, Nothing));
}
