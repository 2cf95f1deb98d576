using System.Net;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Leases;

/// <summary>
/// Runs requests against etcd until they succeed. While etcd is away it tries again within half a second, jittered, and says so
/// once; everything else the agent does goes on. That one member failed and another serves is no absence.
/// </summary>
public sealed partial class EtcdSession(IEtcdClient client, InputStore store, TimeProvider time, ILogger<EtcdSession> log)
{
    /// <summary>Code of the problem shown while etcd does not answer.</summary>
    public const string Unreachable = "etcd-unreachable";

    /// <summary>Code of the problem shown while etcd answers, but refuses a watch.</summary>
    public const string WatchRefused = "etcd-watch-refused";

    private static readonly TimeSpan RefusedPause = TimeSpan.FromSeconds(5);

    private const int ShortestPause = 100;
    private const int LongestPause = 500;

    private readonly Lock _gate = new();
    private readonly HashSet<string> _refused = [];
    private long _successes;
    private IPAddress? _publicIP;

    /// <summary>Repeats <paramref name="work"/> until it succeeds.</summary>
    /// <exception cref="AgentFaultException">etcd refuses (certificate, password, permission) and has not worked before in this run.</exception>
    public async Task<T> RunAsync<T>(Func<IEtcdClient, Task<T>> work, CancellationToken cancellation)
    {
        for (; ; )
        {
            var before = Interlocked.Read(ref _successes);
            try
            {
                var result = await work(client).ConfigureAwait(false);
                Succeeded();
                return result;
            }
            catch (EtcdException e) when (!cancellation.IsCancellationRequested)
            {
                Failed(e, before);
                await PauseAsync(cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>To be called after an exchange succeeded.</summary>
    public void Succeeded()
    {
        lock (_gate)
        {
            Interlocked.Increment(ref _successes);
            var (health, endpoint) = (store.Current.Etcd, client.CurrentEndpoint);
            if (health.IsConnected && health.Endpoint == endpoint)
                return;
            if (health.IsConnected)
                LogMoved(endpoint);
            else
                LogConnected(endpoint);
            store.Update(i => i with { Etcd = new EtcdHealth(true, endpoint, time.GetUtcNow(), null) });
            store.Resolve(Unreachable);
        }
    }

    /// <summary>To be called for each batch of a watch.</summary>
    /// <param name="watched">What is watched.</param>
    public void Watching(string watched)
    {
        Succeeded();
        lock (_gate)
        {
            if (_refused.Remove(watched) && _refused.Count == 0)
                store.Resolve(WatchRefused);
        }
    }

    /// <summary>
    /// To be called when a watch ended; returns after the pause that is due before what it watched is read again. Whether etcd is away is for that
    /// reading to find out: a watch also ends with the member it was on, while the others serve.
    /// </summary>
    /// <param name="watched">What is watched.</param>
    /// <param name="error">Why it ended.</param>
    /// <param name="cancellation">Ends the pause.</param>
    public Task WatchEndedAsync(string watched, EtcdException error, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(error);
        LogWatchEnded(watched, error.Message);
        if (error.IsTransient)
            return PauseAsync(cancellation);
        lock (_gate)
        {
            if (_refused.Add(watched))
            {
                LogWatchRefused(watched, error.Message);
                store.Report(new Problem(ProblemSeverity.Warning, WatchRefused, $"{watched} cannot be watched: {error.Message}",
                    $"allow the etcd user to read {watched}; until then it is read every {RefusedPause.TotalSeconds:0} s, so changes arrive late"));
            }
        }

        return Task.Delay(RefusedPause, time, cancellation);
    }

    /// <summary>
    /// Looks at the address this host has; to be connected to <see cref="InputStore.Changed"/>. A connection from one that is gone gets no
    /// answers, which it would find out many seconds later.
    /// </summary>
    public void ObserveHost(AgentInputs inputs)
    {
        lock (_gate)
        {
            var before = _publicIP;
            _publicIP = inputs.PublicIP;
            if (before is null || before.Equals(_publicIP))
                return;
        }

        client.Reconnect();
    }

    private void Failed(EtcdException error, long before)
    {
        lock (_gate)
        {
            if (!error.IsTransient && _successes == 0)
                throw new AgentFaultException(error.Message + Remedy(error), error);
            var health = store.Current.Etcd;
            // One line per change of state: five hundred nodes must not fill their logs because etcd is away.
            // Another request, begun later, may have been answered meanwhile. What is not known to have failed is looked at again first.
            if ((health.IsConnected || health.Error is null) && _successes == before && !error.OutcomeUnknown)
            {
                LogDisconnected(error.Message);
                store.Update(i => i with { Etcd = new EtcdHealth(false, client.CurrentEndpoint, time.GetUtcNow(), error.Message) });
                store.Report(new Problem(ProblemSeverity.Warning, Unreachable, error.Message,
                    "check --etcd-endpoints and that etcd runs; traffic goes on meanwhile, changes do not arrive"));
            }
        }
    }

    private static string Remedy(EtcdException error) => error switch
    {
        { IsEndpointFault: true } => " (check --etcd-endpoints)",
        { Code: EtcdStatusCode.PermissionDenied } =>
            ": the user of --etcd-username needs a role that may read PREFIX/config and write PREFIX/subnets/, where PREFIX is --etcd-prefix "
            + "(etcdctl role grant-permission ROLE read PREFIX/config, and readwrite PREFIX/subnets/ --prefix)",
        _ => "",
    };

    /// <summary>The pause before etcd is asked again for what all other nodes ask for now too.</summary>
    public Task PauseAsync(CancellationToken cancellation) =>
        Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(ShortestPause, LongestPause)), time, cancellation);

    [LoggerMessage(2001, LogLevel.Information, "etcd answers at {Endpoint}")]
    private partial void LogConnected(string? endpoint);

    [LoggerMessage(2005, LogLevel.Debug, "it is {Endpoint} now that answers")]
    private partial void LogMoved(string? endpoint);

    [LoggerMessage(2003, LogLevel.Debug, "the watch of {Watched} ended: {Error}")]
    private partial void LogWatchEnded(string watched, string error);

    [LoggerMessage(2004, LogLevel.Warning, "{Watched} cannot be watched: {Error}. It is read every few seconds instead, so changes arrive late")]
    private partial void LogWatchRefused(string watched, string error);

    [LoggerMessage(2002, LogLevel.Warning, "{Error}; trying again until it answers (check --etcd-endpoints)")]
    private partial void LogDisconnected(string error);
}
