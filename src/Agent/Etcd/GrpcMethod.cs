using Accelerated.Agent.Etcd.Proto;
using Google.Protobuf;

namespace Accelerated.Agent.Etcd;

/// <summary>One RPC: its path and how its answer is parsed.</summary>
/// <param name="Path"><c>/package.Service/Method</c>.</param>
/// <param name="Parser">Parser of the answer.</param>
internal sealed record GrpcMethod<TResponse>(string Path, MessageParser<TResponse> Parser)
    where TResponse : class, IMessage<TResponse>;

/// <summary>The RPCs of etcd this client calls.</summary>
internal static class EtcdMethods
{
    internal static readonly GrpcMethod<RangeResponse> Range = new("/etcdserverpb.KV/Range", RangeResponse.Parser);

    internal static readonly GrpcMethod<PutResponse> Put = new("/etcdserverpb.KV/Put", PutResponse.Parser);

    internal static readonly GrpcMethod<DeleteRangeResponse> DeleteRange =
        new("/etcdserverpb.KV/DeleteRange", DeleteRangeResponse.Parser);

    internal static readonly GrpcMethod<TxnResponse> Txn = new("/etcdserverpb.KV/Txn", TxnResponse.Parser);

    internal static readonly GrpcMethod<LeaseGrantResponse> LeaseGrant =
        new("/etcdserverpb.Lease/LeaseGrant", LeaseGrantResponse.Parser);

    internal static readonly GrpcMethod<LeaseRevokeResponse> LeaseRevoke =
        new("/etcdserverpb.Lease/LeaseRevoke", LeaseRevokeResponse.Parser);

    // A stream in both directions; one request and the end of the stream makes it one round.
    internal static readonly GrpcMethod<LeaseKeepAliveResponse> LeaseKeepAlive =
        new("/etcdserverpb.Lease/LeaseKeepAlive", LeaseKeepAliveResponse.Parser);

    internal static readonly GrpcMethod<LeaseTimeToLiveResponse> LeaseTimeToLive =
        new("/etcdserverpb.Lease/LeaseTimeToLive", LeaseTimeToLiveResponse.Parser);

    internal static readonly GrpcMethod<WatchResponse> Watch = new("/etcdserverpb.Watch/Watch", WatchResponse.Parser);

    internal static readonly GrpcMethod<AuthenticateResponse> Authenticate =
        new("/etcdserverpb.Auth/Authenticate", AuthenticateResponse.Parser);
}
