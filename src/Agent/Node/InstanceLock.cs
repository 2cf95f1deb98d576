namespace Accelerated.Agent.Node;

/// <summary>Keeps a second agent of the same instance away for as long as this one lives; the kernel releases it however the process ends.</summary>
public sealed class InstanceLock : IDisposable
{
    private readonly FileStream _file;

    private InstanceLock(FileStream file) => _file = file;

    /// <summary>Takes the lock.</summary>
    /// <exception cref="AgentFaultException">Another agent has it, or the directory cannot be used.</exception>
    public static InstanceLock Take(string path, string instance)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            // FileShare.None is flock(LOCK_EX | LOCK_NB) on Unix.
            return new InstanceLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new AgentFaultException($"{path} cannot be written: {e.Message} Choose a writable directory with --run-dir", e);
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new AgentFaultException($"an agent with --instance={instance} runs already (it holds {path}): stop that one, or give this one another --instance, --etcd-prefix and --subnet-file", e);
        }
        catch (IOException e)
        {
            throw new AgentFaultException($"{path} cannot be made: {e.Message} Choose a writable directory with --run-dir", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
