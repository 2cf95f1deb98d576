using System.Globalization;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Faults;

/// <summary>The agents' wall clock jumps by an hour while they run, as when a host without a clock of its own hears of the time at last.</summary>
public sealed class ClockTests(ITestOutputHelper output) : LabTest(output)
{
    [Theory]
    [InlineData("+1h", 1)]
    [InlineData("-1h", -1)]
    public async Task Clock_JumpsByAnHour_NothingFollowsFromIt(string offset, int hours)
    {
        var clock = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(clock, "+0\n", Cancel);
            await using var scene = await FaultScene.BeginAsync(await UpAsync(Spec(clock)), Output);
            await File.WriteAllTextAsync(clock, $"{offset}\n", Cancel);
            await scene.LastAsync(TimeSpan.FromSeconds(5));
            await scene.AssertUntouchedAsync();
            // Certificates are judged by that clock, and tokens, timeouts and etcd leases are not.
            var member = await scene.MemberOfAsync(scene.Node);
            scene.Mark();
            await member.StopAsync("KILL");
            await scene.PutStrangerAsync();
            await scene.RecoverAsync($"clock{offset}");
            await scene.EndAsync();
            scene.AssertToldOfAnElectionAtMost();
            // That the clock did jump: the last thing the agent said was that the stranger has gone.
            var last = LogFiles.Read(scene.Node.LogFile).TrimEnd().Split('\n')[^1];
            var said = DateTimeOffset.Parse(last.Split(' ')[0], CultureInfo.InvariantCulture);
            Assert.InRange((said - DateTimeOffset.UtcNow).TotalHours, hours - 0.1, hours + 0.1);
        }
        finally
        {
            File.Delete(clock);
        }
    }

    private static LabSpec Spec(string clock) => new()
    {
        Datapath = LabSpec.BpfDatapath,
        Etcd = new EtcdSpec { Members = 3, Version = "3.4", Tls = true, ClientCertificates = true },
        AgentEnvironment = global::System.Collections.Immutable.ImmutableDictionary<string, string>.Empty
            .Add("LD_PRELOAD", LabTools.Faketime()).Add("FAKETIME_TIMESTAMP_FILE", clock).Add("FAKETIME_CACHE_DURATION", "1")
            // Time goes on at its pace; only what clock it is differs, as with settimeofday(2).
            .Add("FAKETIME_DONT_FAKE_MONOTONIC", "1").Add("DONT_FAKE_MONOTONIC", "1"),
    };
}
