using Accelerated.Agent.Etcd;
using Accelerated.Agent.Reconcile;
using Accelerated.Interop.Systemd;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Bus;

/// <summary>
/// Looks at everything again when the machine has slept, as logind tells (org.freedesktop.login1(5), PrepareForSleep): connections to etcd are dead and
/// do not know it, and so may the lease be.
/// </summary>
public sealed partial class SleepWatch(IEtcdClient etcd, ReconcileLoop loop, ILogger<SleepWatch> log) : IBusClient
{
    private const string Logind = "org.freedesktop.login1";

    /// <inheritdoc/>
    public void Join(SystemBus bus)
    {
        ArgumentNullException.ThrowIfNull(bus);
        bus.Match(Logind, "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForSleep", message =>
        {
            if (message.ReadBoolean())
                return;
            LogAwake();
            etcd.Reconnect();
            _ = loop.ReconcileAsync();
        });
    }

    /// <inheritdoc/>
    public void Look(SystemBus bus)
    {
        // Nothing but signals.
    }

    [LoggerMessage(1511, LogLevel.Information, "the machine has slept: connecting to etcd anew, and comparing everything with the kernel")]
    private partial void LogAwake();
}
