using Accelerated.Agent.Tests.Etcd;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>One etcd for the tests of a class; each test has a prefix of its own.</summary>
public sealed class EtcdServer : IAsyncLifetime
{
    internal EtcdProcess Process { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Process = await EtcdProcess.StartAsync();

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
