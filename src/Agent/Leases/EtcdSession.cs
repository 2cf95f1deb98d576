using Accelerated.Agent.Etcd;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Leases;

/// <summary>
/// Runs requests against etcd until they succeed. While etcd is away it tries again within half a second, jittered, and says so
/// once; everything else the agent does goes on.
/// </summary>
public sealed partial class EtcdSession(IEtcdClient client, InputStore store, TimeProvider time, ILogger<EtcdSession> log)
{
    /// <summary>Code of the problem shown while etcd does not answer.</summary>
    public const string Unreachable = "etcd-unreachable";

    private const int ShortestPause = 100;
    private const int LongestPause = 500;

    private readonly Lock _gate = new();
    private bool _everConnected;

    /// <summary>Repeats <paramref name="work"/> until it succeeds.</summary>
    /// <exception cref="AgentFaultException">etcd refuses (certificate, password, permission) and has not worked before in this run.</exception>
    public async Task<T> RunAsync<T>(Func<IEtcdClient, Task<T>> work, CancellationToken cancellation)
    {
        for (; ; )
        {
            try
            {
                var result = await work(client).ConfigureAwait(false);
                Succeeded();
                return result;
            }
            catch (EtcdException e) when (!cancellation.IsCancellationRequested)
            {
                await FailedAsync(e, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>To be called after an exchange succeeded.</summary>
    public void Succeeded()
    {
        lock (_gate)
        {
            _everConnected = true;
            var health = store.Current.Etcd;
            if (health.IsConnected && health.Endpoint == client.CurrentEndpoint)
                return;
            if (!health.IsConnected)
                LogConnected(client.CurrentEndpoint);
            store.Update(i => i with { Etcd = new EtcdHealth(true, client.CurrentEndpoint, time.GetUtcNow(), null) });
            store.Resolve(Unreachable);
        }
    }

    /// <summary>To be called after an exchange failed; returns after the pause that is due before the next.</summary>
    /// <exception cref="AgentFaultException">See <see cref="RunAsync{T}"/>.</exception>
    public async Task FailedAsync(EtcdException error, CancellationToken cancellation)
    {
        lock (_gate)
        {
            if (!error.IsTransient && !_everConnected)
                throw new AgentFaultException(error.Message + Remedy(error), error);
            var health = store.Current.Etcd;
            // One line per change of state: five hundred nodes must not fill their logs because etcd is away.
            if (health.IsConnected || health.Error is null)
            {
                LogDisconnected(error.Message);
                store.Update(i => i with { Etcd = new EtcdHealth(false, client.CurrentEndpoint, time.GetUtcNow(), error.Message) });
                store.Report(new Problem(ProblemSeverity.Warning, Unreachable, error.Message,
                    "check --etcd-endpoints and that etcd runs; traffic goes on meanwhile, changes do not arrive"));
            }
        }

        await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(ShortestPause, LongestPause)), time, cancellation).ConfigureAwait(false);
    }

    private static string Remedy(EtcdException error) => error switch
    {
        { IsEndpointFault: true } => " (check --etcd-endpoints)",
        { Code: EtcdStatusCode.PermissionDenied } =>
            ": the user of --etcd-username needs a role that may read and write all under --etcd-prefix (etcdctl role grant-permission ROLE readwrite PREFIX/ --prefix)",
        _ => "",
    };

    [LoggerMessage(2001, LogLevel.Information, "etcd answers at {Endpoint}")]
    private partial void LogConnected(string? endpoint);

    [LoggerMessage(2002, LogLevel.Warning, "{Error}; trying again until it answers (check --etcd-endpoints)")]
    private partial void LogDisconnected(string error);
}
