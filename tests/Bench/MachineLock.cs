using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>One measurement at a time on a machine, whoever makes it and from whichever checkout.</summary>
internal static class MachineLock
{
    private const string FilePath = "/run/lock/accelerated-bench.lock";

    // Above this share of all CPUs, what others do would be measured.
    private const double Loaded = 0.25;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);

    /// <summary>Takes the lock; disposing gives it back, and so does the end of the process.</summary>
    /// <exception cref="LabException">Another benchmark runs.</exception>
    public static IDisposable Take()
    {
        try
        {
            return new FileStream(FilePath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new LabException($"another benchmark runs on this machine ({FilePath} is locked): wait for its end", e);
        }
    }

    /// <summary>Looks whether the machine is at rest.</summary>
    /// <returns>Share of all CPUs that others take.</returns>
    /// <exception cref="LabException">It is not, and <paramref name="force"/> is not given.</exception>
    public static async Task<double> RequireRestAsync(bool force, CancellationToken cancel)
    {
        var before = CpuTime.Read();
        await Task.Delay(Look, cancel);
        var share = CpuTime.Read().PerSecondSince(before) / Environment.ProcessorCount;
        return share <= Loaded || force ? share
            : throw new LabException($"other programs take {share:P0} of the CPUs, so figures would be theirs: wait until they are done (top), or say FORCE=1");
    }
}
