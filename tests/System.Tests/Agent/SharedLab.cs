using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>One lab for all tests of a class: each test leaves it as it found it, and fails where it cannot.</summary>
public abstract class SharedLab(LabSpec spec) : IAsyncLifetime
{
    private NetworkLab? _lab;

    /// <summary>The lab.</summary>
    public NetworkLab Lab => _lab ?? throw new InvalidOperationException("the lab is not up yet");

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _lab = await LabTest.RaiseAsync(spec);
        try
        {
            await PrepareAsync(_lab);
        }
        catch
        {
            _lab.SaveLogs();
            await _lab.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_lab is not null)
            await _lab.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>What is done once before the first test; starts every agent unless said otherwise.</summary>
    protected virtual Task PrepareAsync(NetworkLab lab) => lab.StartAllAsync(cancel: TestContext.Current.CancellationToken);
}
