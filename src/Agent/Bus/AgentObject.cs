using System.Text;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Reconcile;
using Accelerated.Interop.Systemd;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Bus;

/// <summary>
/// The agent as others see it on the bus: <c>busctl introspect org.accelerated.Agent1 /org/accelerated/Agent1/default</c>. An instance with another
/// name than <c>default</c> has that in both.
/// </summary>
public sealed partial class AgentObject : IBusClient
{
    /// <summary>The interface, and the name of the default instance.</summary>
    public const string Name = "org.accelerated.Agent1";

    private readonly InputStore _store;
    private readonly ReconcileLoop _loop;
    private readonly IDatapath _datapath;
    private readonly ILogger _log;
    private readonly string _name;
    private readonly BusObject _object;
    private IReadOnlyList<(string Name, BusValue Value)> _told = [];

    /// <summary>Makes it; nobody sees it before the bus is joined.</summary>
    public AgentObject(AgentOptions options, InputStore store, ReconcileLoop loop, IDatapath datapath, ILogger<AgentObject> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_store, _loop, _datapath, _log) = (store, loop, datapath, log);
        var label = Label(options.Instance);
        _name = options.Instance == AgentOptions.DefaultInstance ? Name : $"{Name}.{label}";
        _object = new BusObject($"/{Name.Replace('.', '/')}/{label}", Name, Properties, new Dictionary<string, Func<Task>> { ["Reconcile"] = loop.ReconcileAsync });
    }

    /// <inheritdoc/>
    public void Join(SystemBus bus)
    {
        ArgumentNullException.ThrowIfNull(bus);
        bus.Export(_object);
        _told = Properties();
        try
        {
            bus.RequestName(_name);
        }
        catch (BusException e) when (!e.IsDisconnected)
        {
            LogNoName(_name, e.Message);
        }
    }

    /// <inheritdoc/>
    public void Look(SystemBus bus)
    {
        ArgumentNullException.ThrowIfNull(bus);
        var now = Properties();
        var changed = now.Except(_told).ToList();
        if (changed.Count > 0)
            bus.TellChanged(_object, changed);
        _told = now;
    }

    /// <summary>An instance's name as an element of a path: letters and digits stay, anything else is <c>_</c> and its code in hexadecimal.</summary>
    internal static string Label(string instance)
    {
        var label = new StringBuilder();
        foreach (var b in Encoding.UTF8.GetBytes(instance))
        {
            var isDigit = char.IsAsciiDigit((char)b);
            if (char.IsAsciiLetter((char)b) || (isDigit && label.Length > 0))
                label.Append((char)b);
            else
                label.Append(System.Globalization.CultureInfo.InvariantCulture, $"_{b:x2}");
        }

        return label.ToString();
    }

    private IReadOnlyList<(string Name, BusValue Value)> Properties()
    {
        var (inputs, outcome) = (_store.Current, _loop.Outcome);
        return
        [
            ("Subnet", BusValue.Of(inputs.Own?.Lease.Key.IPv4.ToString() ?? "")),
            ("Datapath", BusValue.Of(_datapath.Name)),
            ("DatapathReason", BusValue.Of(_datapath.Reason)),
            ("Peers", BusValue.Of((uint)(outcome.Desired?.Overlays.Sum(o => o.PeerCount) ?? 0))),
            ("EtcdConnected", BusValue.Of(inputs.Etcd.IsConnected)),
            ("Ready", BusValue.Of(outcome.Ready)),
        ];
    }

    [LoggerMessage(1521, LogLevel.Warning, "this agent is not on the system bus as {Name}: {Reason}")]
    private partial void LogNoName(string name, string reason);
}
