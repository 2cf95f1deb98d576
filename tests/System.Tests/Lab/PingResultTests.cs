using Accelerated.Lab;

namespace Accelerated.System.Tests.Lab;

/// <summary>Losses are counted from the answers, not from the summary alone.</summary>
public sealed class PingResultTests
{
    private const string Start = "PING 10.5.2.2 (10.5.2.2) 56(84) bytes of data.\n";

    [Fact]
    public void Parse_AnswerMissingInTheMiddle_IsLostAndMakesTheGap()
    {
        var result = PingResult.Parse(Start + Reply(100.0m, 1) + Reply(100.5m, 3) + Reply(100.5m, 3, " (DUP!)") + Summary(3, 2), stopped: true);

        Assert.Equal(new PingResult(Sent: 3, Received: 2, Lost: 1, Duplicates: 1, TimeSpan.FromSeconds(0.5)), result);
    }

    [Fact]
    public void Parse_LastRequestUnansweredWhenStopped_IsNotLost()
    {
        var output = Start + Reply(100, 1) + Reply(100.01m, 2) + Summary(3, 2);

        Assert.Equal(0, PingResult.Parse(output, stopped: true).Lost);
        Assert.Equal(1, PingResult.Parse(output, stopped: false).Lost);
    }

    [Fact]
    public void Parse_SequenceNumberStartsAgain_IsNotADuplicate()
    {
        var replies = string.Concat(Enumerable.Range(1, 70000).Select(n => Reply(100 + (n / 100m), n % 65536)));

        var result = PingResult.Parse(Start + replies + Summary(70000, 70000), stopped: true);

        Assert.Equal((70000, 0, 0), (result.Received, result.Lost, result.Duplicates));
    }

    [Fact]
    public void Parse_NoStatistics_Throws() => Assert.Throws<LabException>(() => PingResult.Parse("ping: unknown host", stopped: false));

    private static string Reply(decimal at, int sequence, string more = "") =>
        $"[{at:0.000000}] 64 bytes from 10.5.2.2: icmp_seq={sequence} ttl=62 time=0.050 ms{more}\n";

    private static string Summary(int sent, int received) =>
        $"\n--- 10.5.2.2 ping statistics ---\n{sent} packets transmitted, {received} received, 0% packet loss, time 20ms\n";
}
