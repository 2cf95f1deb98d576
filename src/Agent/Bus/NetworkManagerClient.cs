using Accelerated.Agent.Reconcile;
using Accelerated.Interop.Systemd;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Bus;

/// <summary>
/// Has NetworkManager leave the overlay's device alone, as <c>nmcli device set flannel.1 managed no</c> does: else it may take the device's address
/// away. NetworkManager forgets that when it or the device is started anew.
/// </summary>
public sealed partial class NetworkManagerClient(ReconcileLoop loop, ILogger<NetworkManagerClient> log) : IBusClient
{
    private const string Manager = "org.freedesktop.NetworkManager";
    private const string Path = "/org/freedesktop/NetworkManager";
    private const string Properties = "org.freedesktop.DBus.Properties";

    private bool _isThere;
    private string? _said;

    /// <inheritdoc/>
    public void Join(SystemBus bus)
    {
        ArgumentNullException.ThrowIfNull(bus);
        // Whatever comes on the bus is followed by a look. First the match: who comes between the two is seen twice, not never.
        bus.WhenOwnerChanges(Manager, isThere => (_isThere, _said) = (isThere, null));
        _isThere = bus.HasOwner(Manager);
    }

    /// <inheritdoc/>
    public void Look(SystemBus bus)
    {
        ArgumentNullException.ThrowIfNull(bus);
        if (!_isThere || loop.Outcome.Desired is not { Overlays: [{ Device.Name: var device }, ..] })
            return;
        try
        {
            string path = "", managed = "Managed";
            bus.Call(Manager, Path, Manager, "GetDeviceByIpIface", r => path = r.ReadText('o'), BusValue.Of(device));
            var isManaged = false;
            bus.Call(Manager, path, Properties, "Get", r => isManaged = r.ReadBooleanVariant(), BusValue.Of($"{Manager}.Device"), BusValue.Of(managed));
            if (!isManaged)
                return;
            bus.Call(Manager, path, Properties, "Set", null, BusValue.Of($"{Manager}.Device"), BusValue.Of(managed), BusValue.Variant(BusValue.Of(false)));
            LogUnmanaged(device);
        }
        catch (BusException e) when (!e.IsDisconnected)
        {
            // It does not know the device yet, or not any more: the next look will tell.
            if (_said != e.Message)
                LogRefused(device, e.Message);
            _said = e.Message;
        }
    }

    [LoggerMessage(1531, LogLevel.Information, "NetworkManager leaves {Device} alone from now on")]
    private partial void LogUnmanaged(string device);

    [LoggerMessage(1532, LogLevel.Debug, "NetworkManager does not say whether it manages {Device}: {Reason}")]
    private partial void LogRefused(string device, string reason);
}
