using Accelerated.Agent.Reconcile;

namespace Accelerated.Agent.Tests.Reconcile;

public sealed class WorkBudgetTests
{
    private static readonly TimeSpan Most = TimeSpan.FromMilliseconds(50);

    private readonly WorkBudget _budget = new(0.2, Most);

    [Fact]
    public void Spend_OfWhatWasSaved_NeedsNoRest()
    {
        Assert.Equal(TimeSpan.Zero, Spend(at: 1000, took: 30));
        Assert.Equal(TimeSpan.Zero, Spend(at: 1020, took: 20));
    }

    [Fact]
    public void Spend_OfMoreThanWasSaved_RestsUntilItIsEarned()
    {
        // 10 ms too many, earned at a fifth of the time.
        Assert.Equal(TimeSpan.FromMilliseconds(50), Spend(at: 1000, took: 60));
        Assert.Equal(TimeSpan.FromMilliseconds(5), Spend(at: 1050, took: 1));
    }

    [Fact]
    public void Spend_AfterALongQuiet_HasNoMoreThanTheMost()
    {
        Spend(at: 1000, took: 50);

        Assert.Equal(TimeSpan.FromMilliseconds(50), Spend(at: 3_600_000, took: 60));
    }

    [Fact]
    public void Spend_WithoutEnd_WorksAFifthOfTheTime()
    {
        var (now, worked) = (TimeSpan.FromSeconds(1), TimeSpan.Zero);
        for (var pass = 0; pass < 1000; pass++)
        {
            var took = TimeSpan.FromMilliseconds(1 + (pass % 7));
            now += took;
            worked += took;
            now += _budget.Spend(now, took);
        }

        Assert.InRange(worked / (now - TimeSpan.FromSeconds(1)), 0.199, 0.21);
    }

    private TimeSpan Spend(int at, int took) => _budget.Spend(TimeSpan.FromMilliseconds(at), TimeSpan.FromMilliseconds(took));
}
