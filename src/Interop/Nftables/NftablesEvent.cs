using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Nftables;

/// <summary>The rules changed: one transaction of nft, iptables-nft, firewalld or this process. (iptables-legacy tells nobody.)</summary>
/// <param name="Generation">The number of the rule set that is now in force; one more per transaction.</param>
/// <param name="ProcessId">
/// The thread that made the transaction, as the initial pid namespace numbers it: equal to the process id only for a main thread.
/// 0 for an overrun.
/// </param>
/// <param name="ProcessName">That thread's name (comm), at most 15 bytes; empty for an overrun.</param>
/// <param name="PortId">The netlink socket that made it, see <see cref="NftablesContext.PortId"/>: the way to know one's own.</param>
/// <param name="Overrun">Events were lost: whatever came before, the rules may have changed in any way.</param>
public readonly record struct NftablesEvent(uint Generation, int ProcessId, string ProcessName, uint PortId, bool Overrun = false)
{
    internal const ushort NewGeneration = 10 << 8 | 15; // NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWGEN.

    private const ushort NFTA_GEN_ID = 1;
    private const ushort NFTA_GEN_PROC_PID = 2;
    private const ushort NFTA_GEN_PROC_NAME = 3;

    /// <summary>The event of a notification; null for the single objects of a transaction, which its new generation sums up.</summary>
    internal static NftablesEvent? From(in NetlinkMessage message)
    {
        if (message.Type != NewGeneration)
            return null;

        var result = new NftablesEvent(0, 0, "", message.Header.nlmsg_pid);
        NetlinkReader.Struct<NfGenMsg>(message.Payload, out var attributes);
        while (attributes.TryRead(out var attribute))
        {
            result = attribute.Type switch
            {
                NFTA_GEN_ID => result with { Generation = attribute.U32BigEndian() },
                NFTA_GEN_PROC_PID => result with { ProcessId = (int)attribute.U32BigEndian() },
                NFTA_GEN_PROC_NAME => result with { ProcessName = attribute.Text() },
                _ => result,
            };
        }

        return result;
    }
}
