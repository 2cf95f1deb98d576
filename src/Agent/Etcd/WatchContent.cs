using System.Net;
using Accelerated.Agent.Etcd.Proto;

namespace Accelerated.Agent.Etcd;

/// <summary>
/// The client's side of a watch: its one create request, then a request for progress whenever one is asked for. It stays open, since etcd ends a
/// watch when the client's side ends.
/// </summary>
/// <param name="create">The framed create request.</param>
internal sealed class WatchContent(byte[] create) : HttpContent
{
    private static readonly byte[] Progress = GrpcReader.Frame(new WatchRequest { ProgressRequest = new WatchProgressRequest() });

    // Never disposed of: it holds nothing, and a timer may still ask when the watch is over.
    private readonly SemaphoreSlim _asked = new(0);

    /// <summary>Asks etcd for a sign of life.</summary>
    internal void AskForProgress() => _asked.Release();

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        for (var frame = create; ; frame = Progress)
        {
            await stream.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
            await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
            // The HTTP stack cancels this when the watch is cancelled or its answer is disposed of.
            await _asked.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
