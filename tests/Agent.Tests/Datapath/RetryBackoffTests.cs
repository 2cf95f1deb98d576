using Accelerated.Agent.Datapath;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Tests.Datapath;

public sealed class RetryBackoffTests
{
    private readonly ManualTime _time = new();
    private readonly KernelChange _a = Change(2);
    private readonly KernelChange _b = Change(3);

    [Fact]
    public void Failed_Repeatedly_WaitsTwiceAsLongUpToHalfAMinute()
    {
        var backoff = new RetryBackoff(_time);
        var expected = 0.25;
        for (var attempt = 1; attempt <= 14; attempt++, expected = Math.Min(expected * 2, 30))
        {
            Assert.False(backoff.Holds(_a));
            backoff.Failed(_a, Failure(_a));
            Assert.True(backoff.Holds(_a));
            var pause = backoff.NextDue!.Value;
            Assert.InRange(pause.TotalSeconds, expected * 0.8, expected * 1.2);
            _time.Advance(pause - TimeSpan.FromTicks(1));
            Assert.True(backoff.Holds(_a));
            _time.Advance(TimeSpan.FromTicks(1));
            Assert.Equal(TimeSpan.Zero, backoff.NextDue);
        }
    }

    [Fact]
    public void Failed_OnManyChangesAtOnce_SpreadsTheirRetries()
    {
        var backoff = new RetryBackoff(_time);
        for (var i = 2; i < 100; i++)
            backoff.Failed(Change(i), Failure(Change(i)));
        _time.Advance(TimeSpan.FromMilliseconds(250));

        // Even chances each: all on one side would be 2^-97.
        Assert.InRange(Enumerable.Range(2, 98).Count(i => backoff.Holds(Change(i))), 1, 97);
    }

    [Fact]
    public void Holds_OfOneBadPeer_DoesNotHoldTheOthers()
    {
        var backoff = new RetryBackoff(_time);
        backoff.Failed(_a, Failure(_a));

        Assert.True(backoff.Holds(Change(2))); // The same change, planned anew.
        Assert.False(backoff.Holds(_b));
        Assert.Equal([Failure(_a)], backoff.Waiting);
    }

    [Fact]
    public void NextDue_OfSeveral_IsTheEarliest()
    {
        var backoff = new RetryBackoff(_time);
        Assert.Null(backoff.NextDue);
        backoff.Failed(_a, Failure(_a));
        var first = backoff.NextDue!.Value;
        _time.Advance(first / 2);
        backoff.Failed(_b, Failure(_b));

        Assert.Equal(first - (first / 2), backoff.NextDue);
        backoff.Succeeded(_a);
        Assert.True(backoff.NextDue > first / 2);
        backoff.Succeeded(_b);
        Assert.Null(backoff.NextDue);
        Assert.Empty(backoff.Waiting);
    }

    [Fact]
    public void KeepOnly_OfWhatIsStillPlanned_ForgetsTheRest()
    {
        var backoff = new RetryBackoff(_time);
        backoff.Failed(_a, Failure(_a));
        backoff.Failed(_b, Failure(_b));

        backoff.KeepOnly([Change(3), Change(4)]);

        Assert.Equal([Failure(_b)], backoff.Waiting);
        Assert.False(backoff.Holds(_a));

        // What comes back later begins anew with the short pause.
        backoff.KeepOnly([]);
        backoff.Failed(_b, Failure(_b));
        Assert.InRange(backoff.NextDue!.Value.TotalSeconds, 0.2, 0.3);
    }

    private static KernelChange Change(int peer) =>
        new(RouteRequest.ReplaceRoute(RoutingPlan.RouteTo(Overlay.Peer(peer), KernelModel.Device)), $"10.5.{peer}.0-24");

    private static DatapathFailure Failure(KernelChange change) => new(change.Peer, $"{change}: no buffer space available");
}
