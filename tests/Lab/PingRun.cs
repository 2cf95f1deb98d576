using System.Text.RegularExpressions;

namespace Accelerated.Lab;

/// <summary>A ping in the background, which counts losses while something else is done to the network.</summary>
public sealed partial class PingRun : IAsyncDisposable
{
    private readonly BackgroundCommand _ping;

    internal PingRun(BackgroundCommand ping) => _ping = ping;

    /// <summary>Answers so far, duplicates included.</summary>
    public int Answers => Reply().Count(_ping.Output());

    /// <summary>Waits until some more answers have come in than there are now.</summary>
    /// <param name="count">How many more.</param>
    /// <param name="deadline">How long to wait at most.</param>
    /// <param name="cancel">Ends the wait early.</param>
    /// <exception cref="LabException">They did not come in time, or ping has exited.</exception>
    public Task WaitAnswersAsync(int count = 1, TimeSpan? deadline = null, CancellationToken cancel = default)
    {
        var wanted = Answers + count;
        return _ping.WaitAsync($"{count} more answers", () => Answers >= wanted, deadline, cancel);
    }

    /// <summary>Stops pinging and counts.</summary>
    /// <exception cref="LabException">ping could not send at all.</exception>
    public async Task<PingResult> StopAsync()
    {
        await _ping.StopAsync("INT");
        return PingResult.Parse(_ping.Output(), stopped: true);
    }

    /// <summary>Kills ping, if it still runs.</summary>
    public ValueTask DisposeAsync() => _ping.DisposeAsync();

    [GeneratedRegex(" bytes from ")]
    private static partial Regex Reply();
}
