namespace Accelerated.Interop.Nftables;

/// <summary>enum nft_meta_keys; those that are told apart here.</summary>
internal enum NftMetaKey : uint
{
    Length = 0,
    Protocol = 1,
    Priority = 2,
    Mark = 3,
    Iif = 4,
    Oif = 5,
    IifName = 6,
    OifName = 7,
    SocketUser = 10,
    SocketGroup = 11,
    Trace = 12,
    Secmark = 14,
    NfProtocol = 15,
    L4Protocol = 16,
    PacketType = 19,
    Cpu = 20,
    ControlGroup = 23,
    Random = 24,
    Time = 30,
    Day = 31,
    Hour = 32,
    LastKnown = 36,
}

/// <summary>enum nft_ct_keys; those that are told apart here.</summary>
internal enum NftConntrackKey : uint
{
    State = 0,
    Mark = 3,
    Expiration = 5,
    Helper = 6,
    Labels = 13,
    Packets = 14,
    Bytes = 15,
    Average = 16,
    Zone = 17,
    LastKnown = 23,
}
