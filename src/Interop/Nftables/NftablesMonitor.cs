using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Nftables;

/// <summary>Tells of every transaction on the nftables rules of a network namespace (<c>nft monitor</c>). Needs no libnftables.</summary>
public sealed class NftablesMonitor : IDisposable
{
    private const uint NFNLGRP_NFTABLES = 7;

    private readonly NotificationLoop _loop;

    private NftablesMonitor(NotificationLoop loop) => _loop = loop;

    /// <summary>Why the monitor ended by itself (an exception of the callback, say); null while it runs and after <see cref="Dispose"/>.</summary>
    public Exception? Failure => _loop.Failure;

    /// <summary>Starts to watch the network namespace of the calling thread. Transactions after the return are told.</summary>
    /// <param name="onEvent">Called on the monitor's own thread, one event at a time. What it throws ends the monitor.</param>
    /// <param name="onFailure">Called once, on that thread, with what ended the monitor. Without it, watch <see cref="Failure"/>.</param>
    /// <param name="receiveBuffer">Bytes of notifications the kernel keeps while the callback is busy.</param>
    /// <exception cref="NetlinkException">The socket could not be opened, or CAP_NET_ADMIN is missing.</exception>
    public static NftablesMonitor Start(
        Action<NftablesEvent> onEvent, Action<Exception>? onFailure = null, int receiveBuffer = NetlinkSocket.DefaultReceiveBuffer)
    {
        ArgumentNullException.ThrowIfNull(onEvent);
        lock (NftablesContext.LibraryLock) // See NftablesContext.Open.
        {
            return new(NotificationLoop.Start(
                "nftables monitor",
                Nl.NETLINK_NETFILTER,
                [NFNLGRP_NFTABLES],
                receiveBuffer,
                (in message) =>
                {
                    if (NftablesEvent.From(message) is { } change)
                        onEvent(change);
                },
                () => onEvent(new(0, 0, "", 0, Overrun: true)),
                onFailure));
        }
    }

    /// <summary>Ends the monitor. No callback runs after the return, unless it is called from within one.</summary>
    public void Dispose() => _loop.Dispose();
}
