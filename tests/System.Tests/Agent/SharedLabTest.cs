using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>Base of the tests that share a lab: when one fails, the logs go with its result.</summary>
public abstract class SharedLabTest(SharedLab shared, ITestOutputHelper output) : IAsyncDisposable
{
    /// <summary>Ends waits when the test run is cancelled.</summary>
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>The lab all tests of the class share.</summary>
    protected NetworkLab Lab => shared.Lab;

    /// <summary>Where a test prints what it measured.</summary>
    protected ITestOutputHelper Output => output;

    /// <inheritdoc/>
    public virtual ValueTask DisposeAsync()
    {
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
            LabTest.Report(Lab, output);
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }
}
